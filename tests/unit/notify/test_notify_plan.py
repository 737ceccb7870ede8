"""What is told of an alert, and when: worse at once, better when it lasts, the same not at all."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pantau.notify import Place
from pantau.notify.plan import judge, pass_time
from unit.notify.notify_kit import MINUTE, T0, news, policy, told

SETTLED = policy(settle_s=120)
NIGHT = {"from": "22:00", "until": "05:00"}
QUIET = policy(quiet=NIGHT)


def test_worse_goes_at_once_better_when_it_has_lasted():
    events = [(0, "open", 1), (1, "escalate", 3), (2, "deescalate", 2), 3.9, 4, (10, "clear", 2), 12]
    assert told(SETTLED, *events) == ["open 1 at 0", "escalate 3 at 1", "deescalate 2 at 4", "clear 2 at 12"]


def test_an_alert_that_comes_and_goes_is_told_once_and_stays_told_while_it_stands():
    flapping = [(0, "open", 2), (1, "clear", 2), (2, "reopen", 2), (3, "clear", 2), (4, "reopen", 2), 30]
    assert told(SETTLED, *flapping) == ["open 2 at 0"]
    assert told(SETTLED, *flapping, (40, "clear", 2), 42) == ["open 2 at 0", "clear 2 at 42"]
    # what comes back after its end was told is news, and what comes back worse is news at once
    assert told(SETTLED, (0, "open", 2), (1, "clear", 2), 3, (4, "reopen", 2))[-1] == "reopen 2 at 4"
    assert told(SETTLED, (0, "open", 2), (1, "clear", 2), (2, "reopen", 3))[-1] == "reopen 3 at 2"


def test_a_decision_that_is_known_changes_nothing():
    first = judge(SETTLED, None, news(5), T0)
    again = judge(SETTLED, first.belief, news(5), T0)
    assert again.order is None and again.belief == first.belief


def test_from_its_least_severity_on_an_alert_is_told_to_its_end():
    severe = policy(min_severity="severe")
    assert told(severe, (0, "open", 2), (1, "confirm", 2), (2, "clear", 2)) == []
    assert told(severe, (0, "open", 2), (1, "escalate", 3), (2, "deescalate", 1), (3, "clear", 1)) == [
        "escalate 3 at 1", "deescalate 1 at 2", "clear 1 at 3",
    ]  # fmt: skip


def test_what_somebody_works_on_or_has_put_aside_or_is_long_past_calls_nobody():
    assert told(SETTLED, (0, "open", 3, {"muted": True}), (5, "unmute", 3)) == ["unmute 3 at 5"]
    assert told(SETTLED, (0, "open", 3, {"past": True}), (1, "clear", 3, {"past": True})) == []
    shelved = {"shelved_until_ms": T0 + 30 * MINUTE}
    assert (
        told(policy(min_severity="severe"), (0, "open", 2), (1, "shelve", 2, shelved), (2, "escalate", 3, shelved))
        == []
    )
    assert told(policy(remind_min=5), (0, "open", 2), (1, "shelve", 2, shelved), 6, 20)[-1] == "shelve 2 at 1"


@pytest.mark.parametrize(
    "only,passes",
    [({"stations": ["angke"]}, True), ({"stations": ["other"]}, False), ({"domains": ["air"]}, False),
     ({"domains": ["flood"], "rules": ["level"]}, True), ({"rules": ["rain"]}, False)],
)  # fmt: skip
def test_filters(only, passes):
    assert bool(told(policy(**only), (0, "open", 2))) is passes
    everywhere = news(place=Place("*", "Kota Tangerang"))
    assert (judge(policy(**only), None, everywhere, T0).order is not None) is (only.get("rules") != ["rain"])


def test_a_channel_tells_only_the_actions_that_it_is_for():
    few = policy(actions=["open", "clear"])
    assert told(few, (0, "open", 1), (1, "escalate", 2), (2, "acknowledge", 2), (3, "clear", 2)) == [
        "open 1 at 0",
        "clear 2 at 3",
    ]
    # who never heard of it hears of it, whatever the decision is called
    assert told(policy(actions=["open"], min_severity="severe"), (0, "open", 1), (1, "escalate", 3)) == [
        "escalate 3 at 1"
    ]


@pytest.mark.parametrize(
    "minute,until",  # T0 is 15:00 WIB
    [(419, None), (420, 840), (600, 840), (839, 840), (840, None)],
)
def test_quiet_hours_run_over_midnight_in_their_zone(minute, until):
    found = QUIET.quiet.until_ms(T0 + minute * MINUTE)
    assert found == (None if until is None else T0 + until * MINUTE)


def test_in_quiet_hours_only_what_breaks_them_is_told_and_its_end_too():
    night, morning = 500, 840
    assert told(QUIET, (night, "open", 2), (night + 5, "clear", 2)) == [
        f"open 2 at {night} for {morning}", f"clear 2 at {night + 5} for {morning}",
    ]  # fmt: skip
    assert told(QUIET, (night, "open", 2), (night + 1, "escalate", 3), (night + 9, "clear", 3)) == [
        f"open 2 at {night} for {morning}", f"escalate 3 at {night + 1}", f"clear 3 at {night + 9}",
    ]  # fmt: skip
    assert judge(QUIET, None, news(at=night, severity=3), T0 + night * MINUTE).order.breaks
    assert told(QUIET, (10, "open", 2)) == ["open 2 at 10"]


def test_reminders_go_on_until_somebody_acknowledges_it_and_have_an_end():
    nag = policy(remind_min=10, remind_most=2)
    assert told(nag, (0, "open", 2), 9, 10, 20, 30, 40) == ["open 2 at 0", "remind 2 at 10", "remind 2 at 20"]
    seen = {"acknowledged_ms": T0, "acknowledged_by": "operator-1"}
    assert told(nag, (0, "open", 2), (5, "acknowledge", 2, seen), 10, 20) == ["open 2 at 0", "acknowledge 2 at 5"]
    assert told(nag, (0, "open", 2), (5, "clear", 2), 10) == ["open 2 at 0", "clear 2 at 5"]
    assert told(policy(remind_min=10, quiet=NIGHT), (415, "open", 2), 425, 839, 840) == [
        "open 2 at 415",
        "remind 2 at 840",
    ]


def test_the_second_line_hears_only_of_what_nobody_has_acknowledged_in_time():
    second = policy(unacknowledged_min=10)
    seen = {"acknowledged_ms": T0, "acknowledged_by": "operator-1"}
    assert told(second, (0, "open", 2), 9.9, 10) == ["open 2 at 10"]
    assert told(second, (0, "open", 2), (5, "escalate", 3), 10, (20, "clear", 3)) == [
        "escalate 3 at 10",
        "clear 3 at 20",
    ]
    assert told(second, (0, "open", 2), (5, "acknowledge", 2, seen), 10, 60, (70, "clear", 2)) == []
    assert told(second, (0, "open", 2), (5, "clear", 2), 10) == []


def test_a_clock_that_goes_back_lets_nobody_wait_longer():
    day = 1440
    assert told(SETTLED, (0, "open", 2), (1, "clear", 2), 1 - day)[1:] == [f"clear 2 at {1 - day}"]
    assert told(policy(unacknowledged_min=10), (0, "open", 2), -day)[0].startswith(f"open 2 at {-day}")
    assert told(policy(remind_min=10), (0, "open", 2), -2 * day)[1:] == [f"remind 2 at {-2 * day}"]


_events = st.lists(
    st.tuples(
        st.integers(0, 300), st.sampled_from(["open", "escalate", "deescalate", "confirm", "clear"]), st.integers(1, 4)
    ),
    max_size=12,
)


@given(_events, st.sampled_from([0, 60, 600]))
def test_in_the_end_people_believe_what_is_so_and_were_never_told_the_same_twice(events, settle_s):
    rules, belief, said = (
        policy(settle_s=settle_s, actions=["open", "reopen", "escalate", "deescalate", "clear"]),
        None,
        [],
    )
    now, so = T0, 0
    for number, (after_s, action, severity) in enumerate(events, 1):
        now += after_s * 1000
        if belief is not None:
            belief, order = pass_time(rules, belief, now)
            said += [order] if order else []
        belief, order = judge(rules, belief, news(number, action, severity, at=(now - T0) / MINUTE), now)
        said += [order] if order else []
        so = 0 if action == "clear" else severity
    if belief is not None:
        belief, order = pass_time(rules, belief, now + 3_600_000)
        said += [order] if order else []
    levels = [0, *(order.news.severity for order in said)]
    assert levels[-1] == so == (belief.told if belief is not None else 0)
    assert all(one != other for one, other in pairwise(levels))


@pytest.mark.parametrize(
    "wrong",
    [{"name": "Desk 1"}, {"quiet": {"from": "25:00", "until": "05:00"}}, {"quiet": {"from": "05:00", "until": "05:00"}},
     {"min_severity": "high"}, {"actions": ["opened"]}, {"quiet": {"from": "22:00", "until": "05:00", "zone": "CET"}}],
)  # fmt: skip
def test_a_wrong_table_is_refused(wrong):
    with pytest.raises(ValidationError):
        policy(**wrong)
