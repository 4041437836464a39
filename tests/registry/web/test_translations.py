"""Chinese and English are complete, agree in their variables, and nothing a person reads is outside the catalogue."""

import re
from collections import Counter
from pathlib import Path

import pytest
from fluent.syntax import FluentParser, ast
from fluent.syntax.visitor import Visitor

from auth import agreements, machines
from imaging import filing
from imaging.sandbox import REASONS
from registry import entries, gateways, hooks, notices, preferences, states, telling, valuesets, worklist
from registry.forms.opinion import AddendumText, JointText, OpinionText
from registry.web.pages import TEMPLATES
from registry.web.translations import LANGUAGES, LOCALE, PSEUDO, keys, pseudo, source, translate
from tests.registry.web.conftest import House, words
from tests.registry.web.test_routes import ids_of

SOURCES = [path for package in ("core", "auth", "imaging", "registry") for path in (LOCALE.parents[1] / package).rglob("*.py")]
RAISED = re.compile(
    r"(?:Invalid|NotFound|Denied|Conflict|PreconditionFailed|StepUpNeeded|SignInNeeded|TooLarge|Unsupported|Throttled|Unavailable|Damaged|Refused)"
    r"\(\s*\"([a-z0-9-]+)\""
)


class _Variables(Visitor):
    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_VariableReference(self, node: ast.VariableReference) -> None:  # noqa: N802 (the visitor's own naming)
        self.found.add(node.id.name)


def variables(language: str) -> dict[str, set[str]]:
    """The variables of each message."""
    found: dict[str, set[str]] = {}
    for entry in FluentParser(with_spans=False).parse(source(language)).body:
        if isinstance(entry, ast.Message):
            visitor = _Variables()
            visitor.visit(entry)
            found[entry.id.name] = visitor.found
    return found


def test_both_languages_have_every_key() -> None:
    assert keys("zh") == keys("en") == keys(PSEUDO)


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogues_parse_and_say_each_thing_once(language: str) -> None:
    body = FluentParser(with_spans=False).parse(source(language)).body
    junk = [entry.content for entry in body if isinstance(entry, ast.Junk)]
    assert not junk
    counted = Counter(entry.id.name for entry in body if isinstance(entry, ast.Message))
    assert [key for key, times in counted.items() if times > 1] == []


def test_languages_agree_in_their_variables() -> None:
    zh, en = variables("zh"), variables("en")
    differing = {key: (zh[key], en[key]) for key in zh if not zh[key] <= en[key] and not en[key] <= zh[key]}
    assert not differing


def test_every_key_a_template_names_is_there() -> None:
    known = keys("en")
    missing = set()
    for path in TEMPLATES.rglob("*.html"):
        for key in re.findall(r"""\bt\(\s*["']([a-z0-9-]+)["']\s*[,)]""", path.read_text("utf-8")):
            if key not in known:
                missing.add(f"{path.name}: {key}")
    assert not missing


def test_every_key_the_code_names_is_there() -> None:
    known, missing = keys("en"), set()
    for path in (LOCALE.parent / "web").glob("*.py"):
        text = path.read_text("utf-8")
        named = re.findall(r'translate\(\s*[\w.()]+,\s*"([a-z0-9-]+)"', text) + re.findall(r'_t\(\s*"([a-z0-9-]+)"', text)
        named += re.findall(r'(?:Act|Now)\(\s*"([a-z0-9-]+)"', text)
        missing |= {f"{path.name}: {key}" for key in named if key not in known and not key.endswith("-")}
    assert not missing


def test_every_error_has_its_sentence() -> None:
    codes = {code for path in SOURCES for code in RAISED.findall(path.read_text("utf-8"))} - REASONS
    codes |= {f"image-{reason}" for reason in REASONS}
    for path in SOURCES:
        text = path.read_text("utf-8")
        codes |= set(re.findall(r'"(field-[a-z-]+)"', text))
        for fields in re.findall(r"fields=\{([^}]*)\}", text):
            codes |= set(re.findall(r':\s*"([a-z0-9-]+)"', fields))
    known = keys("en")
    assert len(codes) > 60
    assert sorted(code for code in codes if f"error-{code}" not in known) == []


def test_every_family_of_keys_is_whole() -> None:
    wanted = {f"case-state-{state}" for state in states.CASE_STATES}
    wanted |= {f"referral-state-{state}" for state in states.REFERRAL_STATES}
    wanted |= {f"consent-standing-{standing}" for standing in states.CONSENT_STANDINGS}
    wanted |= {f"timeline-consent-{standing}" for standing in states.CONSENT_STANDINGS if standing != "none"}
    wanted |= {f"timeline-referral-{event}" for event in (*states.REFERRAL_EVENTS, "request") if event != "answer"}
    wanted |= {f"timeline-decision-{option.code}" for option in valuesets.value_set("decision").options}
    wanted |= {f"now-act-{option.code}" for option in valuesets.value_set("decision").options}
    wanted |= {f"notice-{kind}" for kind in notices.KINDS}
    wanted |= {f"work-do-{action}" for action in worklist.ACTIONS}
    wanted |= {f"{way}-{step}" for way in ("now-wait", "now-late", "work-wait") for step in ("allocate", "acknowledge", "answer")}
    wanted |= {f"upload-{state}" for state in ("received", "filed", "duplicate", "held", "refused", "discarded")}
    wanted |= {f"proof-{kind}" for kind in ("altered", "removed", "inserted", "moved", "stretch", "truncated", "head")}
    wanted |= {f"proof-kept-{kind}" for kind in ("broken", "signature", "conflict", "key")}
    wanted |= {f"agreement-covers-{code.replace('_', '-')}" for code in agreements.COVERS}
    wanted |= {f"agreement-standing-{standing}" for standing in agreements.STANDINGS}
    wanted |= {f"agreement-refused-{code.replace('_', '-')}" for code in agreements.REFUSALS}
    wanted |= {f"agreement-ended-{code.replace('_', '-')}" for code in agreements.ENDINGS}
    wanted |= {f"audit-did-agreement-{event}" for event in agreements.EVENTS}
    wanted |= {f"machine-may-{code}" for code in machines.MAY}
    wanted |= {f"hook-{say}-{form}" for say in ("form", "lead") for form in gateways.FORMS}
    wanted |= {f"hook-from-{urgency}" for urgency in (*preferences.URGENCIES, hooks.FALLBACK)}
    outward = (LOCALE.parents[1] / "auth" / "outward.py").read_text("utf-8")
    said = [why for line in re.findall(r"_away\((.+)\)", outward) for why in re.findall(r'"([a-z]+)"', line)]
    # an answer's form is read of providers alone
    wanted |= {f"hook-why-{why}" for why in {*said, "refused"} - {"form"}}
    wanted |= {f"told-how-{how}" for how in preferences.HOW} | {f"notice-{telling.TRIAL}"}
    # what is closed is not corrected
    kinds = {(kind, words) for kind in entries.TYPES for words in ("", "correct-")} - {("closure", "correct-")}
    wanted |= {f"entry-{words}{kind}" for kind, words in kinds}
    for model in (*(found[0] for found in entries.TYPES.values()), OpinionText, JointText, AddendumText):
        for name, note in model.declared().items():
            key = f"form-{model.TYPE}-{name.replace('_', '-')}"
            wanted |= {key, f"form-section-{note.section.replace('_', '-')}"} | ({f"{key}-help"} if note.help else set())
    assert sorted(wanted - keys("en")) == []


def test_why_a_file_was_refused_is_said() -> None:
    assert sorted(f"image-{reason}" for reason in {*REASONS, *filing.CONFIRMABLE} if f"image-{reason}" not in keys("en")) == []


def test_every_recorded_act_has_its_sentence() -> None:
    acts = set()
    for path in SOURCES:
        text = path.read_text("utf-8")
        for call in re.findall(
            r"(?:audit\.record|audit\.view|record|view|_record|cases\.note|cases\.seen|note|seen|seen_list|_write)\(([^)]*)\)", text
        ):
            acts |= set(re.findall(r'"([a-z]+(?:-[a-z]+)*:[a-z]+(?:-[a-z]+)*)"', call))
    assert len(acts) > 30
    assert sorted(act for act in acts if f"audit-did-{act.replace(':', '-')}" not in keys("en")) == []


def test_plurals_and_numbers() -> None:
    assert translate("en", "work-count", count=1) == "1 case"
    assert translate("en", "work-count", count=3) == "3 cases"
    assert translate("zh", "work-count", count=3) == "3 例"


# What stands on a page in Latin letters without being a word of ours: codes, units, standards, names of the cast.
NOT_OURS = re.compile(
    r"SH-\d{4}-\d+|\bm(?:m|in)\b|Tamai|\b(?:I{1,3}|IV|V)\b|Ishikawa|Yamano|Urbaniak|JPEG|PNG|HEIC|WebP|DICOM|CT|SHA-256|mmHg|\bcm²?(?!\w)|/min|GCS|ISS|NRS|English|UTC"
    r"|[a-z]+(?:\.[a-z]+)+|[a-z]+:[a-z]+|[\w-]*\d[\w-]*|https?://\S+|g l|testclient|test|the cast|li\.na|surgeon|\b[nx]\b|Asia/\w+"
)


def test_no_text_outside_the_catalogue(house: House) -> None:
    """In the pseudo-locale every word of ours is accented; what is left in plain letters never went through it."""
    names = ids_of(house.world)
    cast = house.world.cast
    pages = {
        "surgeon": ["/", "/cases", "/cases/new", "/follow-ups", "/inbox", "/notices", "/account", "/account/security", "/nothing"]
        + [
            f"/cases/{{case_id}}{rest}"
            for rest in (
                "",
                "/record",
                "/close",
                "/access",
                "/entries/injury",
                "/entries/amputation",
                "/entries/fracture",
                "/entries/wound",
                "/entries/structures",
                "/entries/mess",
                "/entries/operation",
                "/entries/replant",
                "/entries/flap",
                "/entries/complication",
                "/entries/transfer",
                "/refer",
                "/invite",
            )
        ]
        + [f"/cases/{{case_id}}{rest}" for rest in ("/consents", "/decision", "/follow-up", "/pictures", "/viewer")]
        + [
            "/cases/{case_id}/referrals/{referral_id}",
            "/cases/{case_id}/opinions/{opinion_id}",
            "/cases/{case_id}/entries/injury?replaces={entry_id}",
        ],
        "expert": ["/", "/cases/{case_id}", "/cases/{case_id}/opinion", "/cases/{case_id}/referrals/{referral_id}"],
        "coordinator": [
            *("/", "/cases/{case_id}", "/cases/{case_id}/referrals/{referral_id}", "/hospital/roster"),
            *("/hospital/roster?at=2026-01-02T03:04", "/hospital/roster/new", "/hospital/roster/{roster_id}"),
        ],
        "nurse": ["/hospital/roster"],
        "administrator": ["/audit", "/audit/proof", "/audit/person/{person_id}", "/invitation"]
        + [
            f"/hospital/{place}"
            for place in ("people", "people/new", "people/{person_id}", "invitations", "agreements", "machines", "settings")
        ],
    }
    ours = {pseudo(chr(letter)) for letter in range(ord("a"), ord("z") + 1)}
    plain: dict[str, list[str]] = {}
    for part, paths in pages.items():
        client = house.browser(getattr(cast, part))
        client.cookies.set("language", PSEUDO, domain="shanhai.test")
        for path in paths:
            html = client.get(path.format(**names)).text
            assert any(letter in html for letter in ours), path
            for text in words(html):
                left = NOT_OURS.sub("", text)
                if re.search(r"[A-Za-z]{2,}", left) and text not in TYPED:
                    plain.setdefault(path, []).append(text)
    assert not plain


TYPED = {
    "阿拉尔第一师医院 · Aral First Division Hospital",
    "李娜 · Li Na 主治医师",
    "The part lies on ice.",
    "Can it be replanted?",
    "And the second look?",
    "Clean cut through the middle phalanx.",
    "Replant: one artery, two veins.",
    "Judged from photographs only.",
}


def test_no_word_stands_in_a_template() -> None:
    """Nor in one that the pseudo-locale did not reach."""
    found = {}
    for path in sorted(Path(TEMPLATES).rglob("*.html")):
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "\x00", path.read_text("utf-8"), flags=re.S)
        text = re.sub(r"<[^>]*>|[a-z-]+=\"[^\"]*\"", "\x01", text)
        left = [piece for piece in re.findall(r"[A-Za-z]{2,}|[\u4e00-\u9fff]+", text) if piece not in {"SHA", "English", "中文"}]
        if left:
            found[path.name] = left
    assert not found


def test_a_full_width_sign_brings_its_own_room() -> None:
    assert translate("zh", "restrict-since", since="04:24（新疆时间）") == "04:24（新疆时间）起"
    assert translate("zh", "restrict-since", since="2026 年 1 月 1 日 04:24") == "2026 年 1 月 1 日 04:24 起"
