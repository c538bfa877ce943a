"""What the worker does beside ingest: what each chore does is tested with its noun, here that none is left out."""

from app.cli import worker

CHORES = {
    "accounts.answers.forget_expired",
    "accounts.api_keys.forget_expired",
    "accounts.avatars.remove_unused",
    "accounts.challenges.forget_expired",
    "accounts.devices.forget_old",
    "accounts.guesses.forget_expired",
    "accounts.oidc.flows.forget_expired",
    "accounts.one_time.forget_expired",
    "accounts.sessions.purge",
    "accounts.signing_keys.forget_expired",
    "accounts.uses.forget_old",
    "audit.retention.forget_events",
    "audit.sealing.seal",
    "audit.security_log.write",
    "clicks.backlog.note_positions",
    "clicks.daykeys.keep_day_keys",
    "clicks.retention.OldClicks.forget",
    "clicks.retention.forget_visitors",
    "clicks.summing.sum_weeks",
    "clicks.tidying.tidy_spool",
    "links.closing.erase_deleted",
}
POST = {"cli.worker.answer_petitions", "cli.worker.close_never_verified", "mail.sending.send_due"}


def test_worker_does_every_chore() -> None:
    for chores, actions in ((worker.CHORES, CHORES), (worker.POST, POST)):
        names = [f"{chore.action.__module__}.{chore.action.__qualname__}" for chore in chores]
        assert sorted(names) == sorted(f"app.{action}" for action in actions)
