"""The times of an open fracture: which limit holds, what counts as done, and that nothing unknown makes a limit longer."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import open_fractures, valuesets
from registry.forms import fields
from registry.forms.fields import Document
from registry.forms.flap import Flap
from registry.forms.fracture import Fracture
from registry.forms.injury import Injury
from registry.forms.operation import Operation
from registry.forms.structures import Structures
from registry.forms.wound import Wound

INJURED = dt.datetime(2026, 11, 20, 2, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def injury(at: dt.datetime | None = INJURED, **told: str | list[str]) -> Injury:
    time = {"injured_at": at.isoformat()} if at else {"injured_at": "", "injured_at.precision": "unknown"}
    return fields.parse(Injury, {"mechanism": "crush", "side": "left", **time, **told}, zone="Asia/Urumqi", now=INJURED + 99 * HOUR)


def fracture(**told: str | list[str]) -> Fracture:
    return fields.parse(
        Fracture, {"side": "left", "segment": "42", "openness": "open", **told}, zone="Asia/Urumqi", now=INJURED + 99 * HOUR
    )


def operation(at: dt.datetime, *procedures: str) -> Operation:
    raw: dict[str, str | list[str]] = {"began_at": at.isoformat(), "procedures": list(procedures)}
    return fields.parse(Operation, raw, zone="Asia/Urumqi", now=INJURED + 999 * HOUR)


def rule(*documents: Document) -> str:
    return next(step.limit.rule for step in open_fractures.read(documents, INJURED) if step.limit.step == "debridement")


@pytest.mark.parametrize(
    "broken",
    [fracture(openness="closed"), fracture(openness="unknown"), fracture(segment="77"), fracture(segment="72"), fracture(segment="88")],
)
def test_a_closed_fracture_and_the_hand_and_forefoot_have_no_times(broken: Fracture) -> None:
    assert open_fractures.read([injury(), broken], INJURED) == ()


@pytest.mark.parametrize("segment", ["82", "2r3", "42", "not_assessed"])
def test_every_other_open_fracture_has_the_three_steps_in_order(segment: str) -> None:
    code = {"code": "82"} if segment == "82" else {}
    broken = fracture(segment=segment, **code) if segment != "not_assessed" else Fracture(side="left", openness="open")
    steps = open_fractures.read([injury(), broken], INJURED)
    assert [step.limit.step for step in steps] == ["antibiotic", "debridement", "cover"]


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([injury(energy="low"), fracture()], "low_energy"),
        ([injury(energy="medium"), fracture(gustilo="type_2")], "low_energy"),
        ([injury(energy="high"), fracture()], "high_energy"),
        ([injury(), fracture()], "high_energy"),
        ([injury(energy="unknown"), fracture()], "high_energy"),
        ([fracture()], "high_energy"),
        ([injury(energy="low"), injury(energy="very_high"), fracture()], "high_energy"),
        ([injury(energy="low"), fracture(gustilo="type_3a")], "high_energy"),
        ([injury(energy="low", contamination=["agricultural"]), fracture()], "at_once"),
        ([injury(energy="low"), Wound(side="left", region="leg", contamination=["sewage"]), fracture()], "at_once"),
        ([injury(energy="low"), fracture(ofc_contamination="contamination_3b")], "at_once"),
        ([injury(energy="low"), fracture(ofc_arterial="arterial_3")], "at_once"),
        ([injury(energy="low"), fracture(gustilo="type_3c")], "at_once"),
        ([injury(energy="low"), Structures(side="left", region="leg", pulse="absent"), fracture()], "at_once"),
        ([injury(energy="low", contamination=["soil_sand"]), fracture()], "low_energy"),
    ],
)
def test_how_soon_to_debride_follows_dirt_blood_and_energy(documents: list[Document], expected: str) -> None:
    assert rule(*documents) == expected


def test_a_closed_or_small_bone_beside_it_says_nothing_about_the_open_one() -> None:
    assert rule(injury(energy="low"), fracture(), fracture(segment="77", gustilo="type_3c", side="right")) == "low_energy"


def test_a_step_is_due_until_its_limit_and_overdue_after_it() -> None:
    documents = [injury(energy="low"), fracture()]
    at_limit = open_fractures.read(documents, INJURED + HOUR)
    assert [(step.state, step.due_at) for step in at_limit] == [
        ("due", INJURED + HOUR),
        ("due", INJURED + 24 * HOUR),
        ("due", INJURED + 72 * HOUR),
    ]
    assert [step.state for step in open_fractures.read(documents, INJURED + HOUR + dt.timedelta(seconds=1))] == ["overdue", "due", "due"]


def test_the_earliest_time_at_which_it_was_done_counts_and_late_is_late() -> None:
    documents = [
        injury(antibiotic="cefazolin 2 g", antibiotic_at=(INJURED + 2 * HOUR).isoformat(), energy="low"),
        fracture(),
        operation(INJURED + 30 * HOUR, "debridement", "vacuum_dressing"),
        operation(INJURED + 5 * HOUR, "debridement", "fixation_external"),
        operation(INJURED + 60 * HOUR, "free_flap"),
    ]
    steps = open_fractures.read(documents, INJURED + 70 * HOUR)
    assert [(step.state, step.after, step.late) for step in steps] == [
        ("done", 2 * HOUR, True),
        ("done", 5 * HOUR, False),
        ("done", 60 * HOUR, False),
    ]


def test_what_was_done_before_the_injury_was_not_done_for_it() -> None:
    documents = [injury(energy="low"), fracture(), operation(INJURED - 50 * HOUR, "debridement", "skin_graft")]
    assert [step.state for step in open_fractures.read(documents, INJURED)] == ["due", "due", "due"]


def test_done_at_a_time_nobody_told_is_neither_due_nor_timed() -> None:
    steps = open_fractures.read([injury(first_aid=["antibiotic"]), fracture()], INJURED + 9 * HOUR)
    assert (steps[0].state, steps[0].at, steps[0].late) == ("untimed", None, False)
    flap = Flap(flap="alt", transfer=["free"])
    assert open_fractures.read([injury(), fracture(), flap], INJURED + 9 * HOUR)[2].state == "untimed"
    timed = open_fractures.read([injury(), fracture(), flap, operation(INJURED + 8 * HOUR, "free_flap")], INJURED + 9 * HOUR)
    assert timed[2].after == 8 * HOUR


def test_without_a_time_of_injury_nothing_is_due_and_what_was_done_still_shows() -> None:
    steps = open_fractures.read([injury(at=None), fracture(), operation(INJURED, "debridement")], INJURED + HOUR)
    assert [(step.state, step.due_at, step.after) for step in steps] == [
        ("unknown", None, None),
        ("done", None, None),
        ("unknown", None, None),
    ]


@given(
    energies=st.lists(st.sampled_from(sorted(valuesets.value_set("energy").codes)), max_size=3),
    contamination=st.sampled_from(sorted(valuesets.value_set("contamination").codes)),
    gustilo=st.sampled_from(sorted(valuesets.value_set("gustilo").codes)),
    hours=st.integers(0, 99),
)
def test_telling_more_of_what_is_bad_and_knowing_less_never_makes_a_limit_longer(
    energies: list[str], contamination: str, gustilo: str, hours: int
) -> None:
    order = ["at_once", "high_energy", "low_energy"]
    known: list[Document] = [*(injury(energy=energy) for energy in energies), fracture(gustilo=gustilo)]
    base = rule(*known)
    worse = rule(*known, injury(at=INJURED - hours * HOUR, energy="not_assessed", contamination=[contamination]))
    assert order.index(worse) <= order.index(base) if energies else order.index(worse) <= order.index("high_energy")
    # one more injury, told later, moves no limit away
    earlier = open_fractures.read([*known, injury()], INJURED)
    both = open_fractures.read([*known, injury(), injury(at=INJURED + hours * HOUR)], INJURED)
    assert [step.due_at for step in both if step.limit.step != "debridement"] == [
        step.due_at for step in earlier if step.limit.step != "debridement"
    ]


def test_every_limit_names_its_source_in_both_languages() -> None:
    for limit in open_fractures.limits():
        assert "BOAST" in limit.source("zh")
        assert "BOAST" in limit.source("en")


KEPT = st.lists(
    st.builds(
        lambda limit, due_at: open_fractures.Ahead(step=limit.step, rule=limit.rule, due_at=due_at),
        st.sampled_from(open_fractures.limits()),
        st.none() | st.integers(-99, 99).map(lambda hours: INJURED + hours * HOUR),
    ),
    max_size=4,
)


@given(KEPT, st.integers(-99, 99))
def test_what_is_shown_is_what_passed_first_and_what_comes_next(kept: list[open_fractures.Ahead], hours: int) -> None:
    now = INJURED + hours * HOUR
    steps = open_fractures.upcoming(kept, now)
    passed = [one.due_at for one in kept if one.due_at is None or one.due_at < now]
    coming = [one.due_at for one in kept if one.due_at is not None and one.due_at >= now]
    shown = [None if None in passed else min(filter(None, passed))] if passed else []
    assert [step.due_at for step in steps] == shown + ([min(coming)] if coming else [])
    states = ["unknown" if None in passed else "overdue"] if passed else []
    assert [step.state for step in steps] == states + (["due"] if coming else [])


def test_only_what_is_not_recorded_is_ahead() -> None:
    documents = [injury(antibiotic="cefazolin"), fracture(), operation(INJURED + 3 * HOUR, "debridement")]
    [one] = open_fractures.ahead(documents, INJURED + 4 * HOUR)
    assert (one.step, one.due_at) == ("cover", INJURED + 72 * HOUR)
    assert open_fractures.ahead([injury()], INJURED) == ()
