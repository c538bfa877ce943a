// Sends the form to the API. The token comes from the fragment, which is then taken out of the address and the history.
const form = document.querySelector("form");
const outcome = document.getElementById("outcome");
const token = new URLSearchParams(location.hash.slice(1)).get("token");

form.token.value = token ?? "";
document.getElementById("missing").hidden = Boolean(token);
history.replaceState(null, "", location.pathname);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch(form.dataset.call, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(Object.fromEntries(new FormData(form))),
      credentials: "omit",
    });
    form.hidden = answer.ok;
    outcome.textContent = answer.ok ? "Done. You can sign in now." : (await answer.json()).error.message;
  } catch {
    outcome.textContent = "The service does not answer; try again shortly.";
  }
  button.disabled = false;
});
