"""How soon a password is guessed, by the lists and the estimate of zxcvbn (Wheeler, USENIX Security 2016).

The lists hold 30,000 leaked passwords and as many words and names. Few of those passwords are as long as ours must
be; what they are still good for is told by the estimate, which finds them padded, repeated, reversed and spelled
with signs for letters. Its own search for such signs takes 23 s for 256 of them, so signs are read in one way here,
and of a long password both ends are looked at: 2 ms, and some 20 for the worst that was found.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from zxcvbn.matching import (
    RANKED_DICTIONARIES,
    build_ranked_dict,
    date_match,
    dictionary_match,
    regex_match,
    repeat_match,
    reverse_dictionary_match,
    sequence_match,
    spatial_match,
)
from zxcvbn.scoring import most_guessable_match_sequence

ENOUGH = (
    1e8  # guesses: zxcvbn's score of 3, "safely unguessable", where each guess costs the thief a slow hash
)

_OWN = 8  # characters that a password has beside the words of its context
_END = 24  # characters; whichever end is stronger alone, the whole is no weaker
_CONTEXT = "user_inputs"
_LETTERS = str.maketrans("@48310!|$57+2", "aabeioiisstt" + "z")
_MATCHERS: tuple[Callable[..., list[dict[str, Any]]], ...] = (
    dictionary_match,
    reverse_dictionary_match,
    spatial_match,
    repeat_match,
    sequence_match,
    regex_match,
    date_match,
)


def is_listed(password: str) -> bool:
    """Whether it is one of the 30,000 that leak most often; `password` case-folded."""
    return password in RANKED_DICTIONARIES["passwords"]


def weakness(password: str, context: Collection[str]) -> str | None:
    """Why a password is too easily guessed: "context" where it is made of those words, "common", or None.

    All in one case: what only case tells apart is tried at once.
    """
    if len(_own(password, context)) < _OWN:
        return "context"
    if is_listed(password):
        return "common"
    dictionaries = {**RANKED_DICTIONARIES, _CONTEXT: build_ranked_dict(context)}
    found = None
    for end in {password[:_END], password[-_END:]}:
        estimate = min((_estimate(text, dictionaries) for text in _spellings(end)), key=_guesses)
        if _guesses(estimate) >= ENOUGH:
            return None
        found = found or estimate
    return "context" if found and _is_of_context(found) else "common"


def _own(password: str, context: Collection[str]) -> str:
    for word in sorted(context, key=len, reverse=True):
        password = password.replace(word, "")
    return password


def _spellings(text: str) -> Iterator[str]:
    yield text
    plain = text.translate(_LETTERS)
    if plain != text:
        yield plain


def _estimate(text: str, dictionaries: dict[str, dict[str, int]]) -> dict[str, Any]:
    # Not `zxcvbn.zxcvbn`: that leaves the words of the context where those of another thread's user are.
    matches = [match for find in _MATCHERS for match in find(text, _ranked_dictionaries=dictionaries)]
    estimate: dict[str, Any] = most_guessable_match_sequence(text, matches)
    return estimate


def _guesses(estimate: dict[str, Any]) -> float:
    return float(estimate["guesses"])


def _is_of_context(estimate: dict[str, Any]) -> bool:
    return any(match.get("dictionary_name") == _CONTEXT for match in estimate["sequence"])
