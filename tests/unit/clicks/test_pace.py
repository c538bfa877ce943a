"""A batch is as large as the time it may take."""

from app.clicks.pace import FIRST, LEAST, MOST, Pace


def settled(seconds_a_line: float, aim: float = 0.012) -> int:
    pace = Pace(aim, 0, gives_way=False)
    for _ in range(20):
        pace.took(pace.lines, pace.lines * seconds_a_line)
    return pace.lines


def test_it_settles_on_what_fits_into_the_aim() -> None:
    assert abs(settled(10e-6) - 1_200) <= 1
    assert abs(settled(20e-6) - 600) <= 1


def test_it_keeps_within_bounds() -> None:
    assert settled(1) == LEAST
    assert settled(1e-9) == MOST


def test_one_slow_transaction_does_not_upset_it() -> None:
    pace = Pace(0.012, 0, gives_way=False)
    pace.took(FIRST, 10.0)
    assert pace.lines >= FIRST // 2


def test_a_batch_that_was_not_full_tells_nothing() -> None:
    pace = Pace(0.012, 0, gives_way=False)
    pace.took(FIRST - 1, 1e-6)
    pace.took(3, 5.0)
    assert pace.lines == FIRST
