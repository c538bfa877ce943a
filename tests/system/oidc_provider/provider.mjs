// An OpenID provider for tests/system/test_oidc.py: any name signs in, with any password. Who is called "unverified..."
// has an address that nobody verified.
import Provider from "oidc-provider";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI } = process.env;

const provider = new Provider(ISSUER, {
  clients: [{ client_id: CLIENT_ID, client_secret: CLIENT_SECRET, redirect_uris: [REDIRECT_URI] }],
  pkce: { required: () => true },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: id,
      email: `${id}@example.org`,
      email_verified: !id.startsWith("unverified"),
    }),
  }),
  cookies: { keys: ["of the tests alone"] },
});

provider.listen(Number(new URL(ISSUER).port), "127.0.0.1");
