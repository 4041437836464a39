"""Every kind of entry on a phone, from where the case offers it to where the record shows it, in both languages."""

import datetime as dt
import re
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from registry import entries, valuesets
from registry.web.translations import translate
from tests.browser.conftest import Complaints, Look, Visit
from tests.browser.test_path import go, pick, wall_clock


@dataclass(frozen=True)
class Told:
    """What is answered in a form: what is picked, chosen from a list, and typed (a time as hours ago); and what the record shows."""

    picked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    ago: dict[str, float] = field(default_factory=dict)
    shows: tuple[tuple[str, str], ...] = ()


ENTRIES = {
    "injury": Told({"side": ("left",)}, {"mechanism": "sharp_cut"}, ago={"injured_at": 5}, shows=(("mechanism", "sharp_cut"),)),
    "amputation": Told(
        {"side": ("left",), "completeness": ("complete",)},
        {"part": "index", "storage": "sealed_on_ice"},
        ago={"cooling_started_at": 4},
        shows=(("part", "index"), ("storage", "sealed_on_ice")),
    ),
    "fracture": Told(
        {"side": ("left",), "openness": ("open",), "gustilo": ("type_3a",)},
        {"segment": "42", "group": "42a3"},
        shows=(("gustilo", "type_3a"),),
    ),
    "wound": Told(
        {"side": ("left",), "contamination": ("sewage",), "exposed": ("bone", "vessel")},
        {"region": "finger"},
        {"length": "4", "width": "2.5"},
        shows=(("contamination", "sewage"), ("exposed", "vessel")),
    ),
    "structures": Told(
        {"side": ("left",), "pulse": ("absent",), "arteries": ("proper_digital",), "tendons": ("fdp", "fds")},
        {"region": "finger", "artery_state": "divided", "tendon_state": "divided"},
        {"refill": "4"},
        shows=(("pulse", "absent"), ("artery", "proper_digital"), ("tendon", "fdp")),
    ),
    "mess": Told(
        {"side": ("left",), "limb": ("upper",), "tissue": ("high",), "ischaemia": ("cool",), "over_six_hours": ("no",)}
        | {"shock": ("stable",), "age": ("over_50",)},
        shows=(("mess_tissue", "high"),),
    ),
    "transfer": Told(
        {"condition": ("stable",), "goes_with": ("part", "films")},
        {"means": "ambulance_doctor"},
        {"origin": "沙枣县人民医院", "destination": "望海手足外科医院", "receiver": "沈清扬", "phone": "0576 5550101"},
        {"departed_at": 4, "arrived_at": 2},
        shows=(("transport", "ambulance_doctor"), ("goes_with", "films")),
    ),
    "operation": Told({"procedures": ("debridement", "replantation")}, ago={"began_at": 2}, shows=(("procedure", "replantation"),)),
    "replant": Told(
        {"state": ("good",), "fixation": ("k_wire",), "veins_count": ("2",), "arteries": ("proper_digital",), "skin": ("primary",)},
        typed={"shortening": "5", "arteries_count": "1", "nerves_count": "2"},
        ago={"reflow_at": 1},
        shows=(("perfusion", "good"), ("vein_count", "2"), ("part", "index")),
    ),
    "flap": Told(
        {"transfer": ("free", "flow_through"), "state": ("good",), "arteries": ("proper_digital",), "vein_anastomosis": ("sewn",)},
        {"flap": "venous_flow_through", "region": "finger"},
        {"length": "3", "width": "2", "ischaemia": "45"},
        shows=(("flap", "venous_flow_through"), ("flap_transfer", "flow_through")),
    ),
    "complication": Told(
        {"state": ("ongoing",), "confirmatory": ("none",), "suggestive": ("drainage", "markers"), "reoperation": ("unplanned",)},
        {"kind": "fri", "grade": "grade_3b"},
        {"treatment": "清创、取深部标本五份。"},
        {"found_at": 0.5},
        shows=(("complication", "fri"), ("fri_criteria", "suggestive"), ("clavien_dindo", "grade_3b")),
    ),
}


def fill(page: Page, told: Told) -> None:
    """Answer what is told; what lies folded away is opened as a finger would, and nothing else."""
    for name in (*told.picked, *told.chosen, *told.typed, *told.ago):
        while folded := page.locator(f"main details:not([open]):has([name='{name}']) > summary").all():
            folded[0].click()
    for name, values in told.picked.items():
        for value in values:
            pick(page, name, value)
    for name, value in told.chosen.items():
        if page.locator(f"select#{name}").count():
            page.select_option(f"#{name}", value)
        else:
            pick(page, name, value)
    for name, words in told.typed.items():
        page.fill(f"#{name}", words)
    for name, hours in told.ago.items():
        page.fill(f"#{name}", wall_clock(hours=hours))


def offered(page: Page, home: str, entry_type: str) -> None:
    """Go to a form by the button that the case offers, first or under what else there is."""
    page.goto(home)
    button = page.locator(f"#record nav a[href$='/entries/{entry_type}']")
    expect(page.locator("#record nav")).to_be_visible()
    if not button.is_visible():
        page.locator("#record nav details summary").click()
    button.click()
    page.wait_for_url(f"**/entries/{entry_type}")


@pytest.mark.parametrize("viewport", ["phone"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_entry_is_offered_filled_in_and_shown(visit: Visit, look: Look, complaints: Complaints, language: str, viewport: str) -> None:
    complaints.tolerate("status of 422")
    page = visit("/cases/new", login="lin", language=language, viewport=viewport)
    pick(page, "kind", "amputation")
    page.fill("#name", "记录测试")
    page.fill("#birth_date", (dt.date(1950, 1, 1) + dt.timedelta(days=uuid4().int % 18_000)).isoformat())
    pick(page, "sex", "male")
    page.fill("#record_number", f"E{uuid4().hex[:8].upper()}")
    go(page)
    page.wait_for_url("**/entries/injury")
    home = page.url.removesuffix("/entries/injury")
    clock = page.locator("section.side .clock-note")
    for entry_type, told in ENTRIES.items():
        offered(page, home, entry_type)
        go(page)
        expect(page.locator("main [role=alert]:not([hidden])")).to_be_visible()
        fill(page, told)
        look(page, entry_type)
        go(page)
        page.wait_for_url(re.compile(f"(?<!entries/{entry_type})$"))
        page.goto(home)
        record = page.locator("#record article").filter(has=page.get_by_role("heading", name=translate(language, f"entry-{entry_type}")))
        expect(record).to_have_count(1)
        for name, code in told.shows:
            assert valuesets.label(name, code, language) in record.inner_text() + record.text_content(), (entry_type, name)  # type: ignore[operator]
        stopped = re.compile(translate(language, "clock-stopped", at="").strip())
        expect(clock.filter(has_text=stopped)).to_have_count(1 if entry_type in {"replant", "flap", "complication"} else 0)
    look(page, "case")
    page.goto(f"{home}/record")
    assert translate(language, "form-complication-criteria-warning") in (page.locator("main").text_content() or "")
    look(page, "record")


def test_every_entry_there_is_has_its_walk() -> None:
    assert set(ENTRIES) == set(entries.TYPES) - {"follow-up", "closure"}
