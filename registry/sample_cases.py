"""The sample world: its cases of hand and forearm, each told as it would have happened (registry.sample_telling), and the making of it all."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from core import ids
from core.db import Database
from imaging import annotations
from imaging.phantoms import films, photos
from imaging.phantoms.hand import Cut, Hand
from imaging.sandbox import Pool
from registry import cases, closures, decisions, entries, followups, messages, opinions, referrals, sample, sample_reconstruction, teams
from registry import sample_steps as steps
from registry.sample import Cast
from registry.sample_telling import Files, Say, Story, ago, tell

CT_SLICES = 84
Filed = list[UUID]


def _severed_index(cast: Cast) -> Story:
    """Waiting for the expert's opinion this very minute."""
    born, cut = dt.date(1992, 4, 18), Cut("index-middle", 0.45, 8.0)
    hand = Hand(side="left", cuts=(cut,), seed=11)
    db = yield ago(minutes=42)
    case = steps.open_case(db, cast, "amputation", "石榴红", "male", born, "S26-1147")
    steps.injury(
        db, cast["lin"], case, ago(hours=2, minutes=30), mechanism="blunt_cut", side="left", region=["finger"], cause="pruning_shears",
        energy="low", contamination=["surface"], work_related="yes", dominance="right", occupation="果农", smoking="never",
        first_aid=["pressure_dressing"], tetanus="booster_given", systolic="128", diastolic="76", heart_rate="88", oxygen_saturation="98",
        evidence=["photo", "radiograph"],
        note="电动修枝剪剪断左示指，断端较整齐，伤后自行压迫包扎来院。Cut through by electric pruning shears; fairly clean ends.",
    )  # fmt: skip
    entries.submit(
        db, cast["lin"], case.id, "amputation",
        {
            "part": "index", "side": "left", "completeness": "complete", "level": "digit", "tamai": "zone_3", "mechanism": "blunt_cut",
            "storage": "sealed_on_ice", "cooling_started_at": steps.wall_clock(ago(hours=1, minutes=58)), "arrived_at": steps.wall_clock(ago(minutes=20)),
            "part_brought": "yes", "condition": ["vessels_visible"], "crush_percent": "10", "evidence": ["photo", "radiograph"],
            "note": "断指完整带来，密封袋置冰上。The part is whole and was kept in a sealed bag on ice.",
        },
    )  # fmt: skip
    pictures: Filed = yield Files(
        cast["lin"],
        case,
        (
            ("IMG_2041.jpg", lambda: photos.hand_photo(hand)),
            ("IMG_2042.jpg", lambda: photos.hand_photo(hand, part=True, pallor=0.8)),
            ("hand-pa.dcm", steps.film(hand, steps.subject("SHI^LIUHONG", "S26-1147", born, "M"), ago(minutes=8), 101)),
        ),
    )
    db = yield ago(minutes=14)
    referral = steps.refer(
        db,
        cast,
        case,
        "左示指中节离断，断端较整齐，断指低温保存。是否有再植条件？本院可否就地手术，还是转院？Is replantation indicated, here or by transfer?",
    )
    db = yield ago(minutes=11)
    referrals.allocate(db, cast["luo"], referral.id, expert_id=steps.id_of(cast["shen"]))
    db = yield ago(minutes=6)
    referrals.acknowledge(db, cast["shen"], referral.id)
    annotations.create(
        db, cast["shen"], case_id=case.id, instance_id=pictures[2], frame=1, tool="arrow",
        points=steps.arrow(films.pixel(hand, cut.bone, cut.fraction)), text="中节骨断面平整", client_id=ids.new(),
    )  # fmt: skip
    messages.post(db, cast["shen"], case_id=case.id, text="已看到片子。请补一张断指近端断面的特写，能看清指动脉断端最好。")


def _thumb_avulsion(cast: Cast) -> Story:
    """Answered; the local decision is what is missing."""
    born, cut = dt.date(1974, 9, 2), Cut("thumb-proximal", 0.55, -14.0)
    hand = Hand(side="right", cuts=(cut,), seed=23)
    db = yield ago(hours=3, minutes=20)
    case = steps.open_case(db, cast, "amputation", "胡杨林", "male", born, "S26-1139")
    steps.injury(
        db, cast["lin"], case, ago(hours=1, minutes=25), mechanism="rotary_avulsion", side="right", region=["finger"], cause="cotton_picker",
        energy="high", contamination=["surface", "soil_sand"], work_related="yes", dominance="right", occupation="采棉机手", smoking="now",
        first_aid=["pressure_dressing"], tetanus="booster_given", systolic="136", diastolic="84", heart_rate="96", evidence=["photo", "radiograph"],
        note="右拇指卷入采棉机，近节水平撕脱离断，屈肌腱自前臂抽出约 9 cm。Avulsed in a cotton picker; flexor tendon pulled out.",
    )  # fmt: skip
    entries.submit(
        db, cast["lin"], case.id, "amputation",
        {
            "part": "thumb", "side": "right", "completeness": "complete", "level": "digit", "tamai": "zone_4", "mechanism": "rotary_avulsion",
            "storage": "dry_iced", "cooling_started_at": steps.wall_clock(ago(minutes=50)), "part_brought": "yes", "condition": ["red_line"],
            "crush_percent": "25", "evidence": ["photo", "radiograph"],
        },
    )  # fmt: skip
    pictures: Filed = yield Files(
        cast["lin"],
        case,
        (
            ("IMG_1987.jpg", lambda: photos.hand_photo(hand)),
            ("IMG_1988.jpg", lambda: photos.hand_photo(hand, part=True, pallor=0.9)),
            ("thumb-pa.dcm", steps.film(hand, steps.subject("HU^YANGLIN", "S26-1139", born, "M"), ago(minutes=5), 102)),
        ),
    )
    db = yield ago(hours=2, minutes=50)
    referral = steps.refer(
        db, cast, case, "右拇指近节撕脱离断，指神经、肌腱抽出。能否再植？血管缺损如何处理？Can it be replanted; how to bridge the vessels?"
    )
    db = yield ago(hours=2, minutes=47)
    referrals.allocate(db, cast["luo"], referral.id, expert_id=steps.id_of(cast["gu"]))
    db = yield ago(hours=2, minutes=44)
    referrals.acknowledge(db, cast["gu"], referral.id)
    db = yield ago(hours=2, minutes=32)
    annotations.create(
        db, cast["gu"], case_id=case.id, instance_id=pictures[0], frame=1, tool="freehand",
        points=steps.around(photos.pixel(hand, cut.bone, cut.fraction)),
        text="撕脱区，需清创至正常内膜 / debride to normal intima", client_id=ids.new(),
    )  # fmt: skip
    annotations.create(
        db, cast["gu"], case_id=case.id, instance_id=pictures[2], frame=1, tool="length",
        points=[[*films.pixel(hand, cut.bone, at)] for at in (0.0, cut.fraction)], text="残留近节骨 / remaining proximal phalanx", client_id=ids.new(),
    )  # fmt: skip
    db = yield ago(hours=2, minutes=24)
    steps.opinion(
        db, cast, "gu", case,
        findings="右拇指近节水平旋转撕脱离断，断端皮肤有红线征，指骨断面尚整齐，关节未受累。Red-line sign; joints spared.",
        classification="完全离断，Tamai IV 区，旋转撕脱伤。Complete, Tamai zone IV, rotary avulsion.",
        recommendation="拇指应争取再植。切除红线段血管，以前臂掌侧静脉移植桥接一条指动脉，至少吻合两条背侧静脉；指深屈肌腱二期处理。"
        "若本院无 12-0 缝线与显微镜，建议低温转院。Replant with vein grafts; transfer if no microscope.",
        urgency="emergency",
        monitoring="术后 72 小时每小时观察皮温、张力、毛细血管充盈，健侧示指对照。Hourly for 72 h with the index finger as control.",
        limits=steps.LIMITS,
    )  # fmt: skip


def _forearm(cast: Cast) -> Story:
    """Operated on three days ago; the decision followed the opinion with a change."""
    born = dt.date(1997, 6, 11)
    subject = steps.subject("JIANG^HEQING", "S26-1098", born, "M")
    db = yield ago(days=4, hours=6)
    case = steps.open_case(db, cast, "fracture", "江河清", "male", born, "S26-1098")
    steps.injury(
        db, cast["lin"], case, ago(hours=3), mechanism="crush", side="left", region=["forearm"], cause="belt_shaft", energy="medium",
        contamination=["none_minimal"], work_related="yes", dominance="right", tetanus="complete", evidence=["radiograph"],
        note="左前臂被传动皮带挤压，畸形、肿胀，手指感觉运动存在。Crushed by a belt; deformed and swollen; fingers feel and move.",
    )  # fmt: skip
    taken = ids.now().astimezone(ZoneInfo(steps.COUNTY_ZONE))

    def cut(index: int) -> Callable[[], bytes]:
        return lambda: films.forearm_ct_dicom(
            subject, taken, study_uid=steps.uid(104), series_uid=steps.uid(104) + ".1", slices=CT_SLICES, index=index, side="left", seed=4
        )

    pictures: Filed = yield Files(cast["lin"], case, tuple((f"CT{index:04d}.dcm", cut(index)) for index in range(CT_SLICES)))
    db = yield ago(days=4, hours=2)
    referral = steps.refer(
        db, cast, case, "左桡骨中段斜形骨折，CT 见台阶移位。切开复位还是髓内？Open reduction or nail?", "orthopaedic_trauma"
    )
    db = yield ago(days=4, hours=1)
    referrals.allocate(db, cast["luo"], referral.id, expert_id=steps.id_of(cast["shen"]))
    db = yield ago(days=4)
    referrals.acknowledge(db, cast["shen"], referral.id)
    annotations.create(
        db, cast["shen"], case_id=case.id, instance_id=pictures[CT_SLICES // 2], frame=1, tool="arrow",
        points=[[120.0, 190.0], [172.0, 250.0]], text="骨折线 / fracture line", client_id=ids.new(),
    )  # fmt: skip
    db = yield ago(days=3, hours=22)
    steps.opinion(
        db, cast, "shen", case,
        findings="桡骨中段斜形骨折，台阶移位约 4 mm，尺骨完整，下尺桡关节未见脱位。Oblique midshaft fracture of the radius, step about 4 mm.",
        classification="2R2A2。",
        recommendation="切开复位，3.5 mm 加压钢板，掌侧入路，至少 6 层皮质；术中查下尺桡关节稳定性。Compression plate through a volar approach.",
        urgency="urgent",
        monitoring="警惕骨筋膜室综合征，48 小时内每 2 小时查被动牵拉痛。Watch for compartment syndrome.",
        limits=steps.LIMITS,
    )  # fmt: skip
    db = yield ago(days=3, hours=20)
    signed = opinions.for_case(db, cast["lin"], case.id)[-1].opinion
    decisions.record(
        db, cast["lin"], case_id=case.id, opinion_id=signed.id, choice="modify",
        reason="本院无 3.5 mm 掌侧板，改用背外侧入路动力加压钢板。No volar plate in stock; dorsolateral approach instead.",
    )  # fmt: skip
    db = yield ago(days=3, hours=8)
    cases.treat(db, cast["lin"], case.id, on=ids.now().date())


def _ring_avulsion(cast: Cast) -> Story:
    """Replanted two weeks ago: the first follow-up is due."""
    born, cut = dt.date(2001, 12, 5), Cut("ring-proximal", 0.6, 5.0)
    hand = Hand(side="left", cuts=(cut,), seed=41)
    db = yield ago(days=16, hours=5)
    case = steps.open_case(db, cast, "amputation", "云中月", "female", born, "S26-1021")
    steps.severed(
        db,
        cast,
        case,
        "ring",
        "left",
        "ring_avulsion",
        "domestic",
        "翻越护栏时戒指挂住，左环指脱套离断。A ring caught on a fence.",
        "zone_4",
    )
    yield Files(
        cast["lin"],
        case,
        (
            ("IMG_1502.jpg", lambda: photos.hand_photo(hand)),
            ("ring-pa.dcm", steps.film(hand, steps.subject("YUN^ZHONGYUE", "S26-1021", born, "F"), ago(minutes=20), 105)),
        ),
    )
    db = yield ago(days=16, hours=4)
    yield from steps.answered(
        db, cast, case, "shen", days=16,
        question="左环指戒指撕脱离断，能否再植？Ring avulsion of the left ring finger: replant?",
        recommendation="可试行再植：静脉移植，缩短 5 mm，吻合一动脉两静脉。Replant with a vein graft, shorten 5 mm.",
    )  # fmt: skip
    db = yield ago(days=15, hours=20)
    steps.treated(db, cast, case)
    replanted = Hand(side="left", sutures=(cut,), wires=("ring-proximal",), seed=42)
    yield Files(cast["ma"], case, (("IMG_1560.jpg", lambda: photos.hand_photo(replanted, pallor=0.45)),))


def _middle_replant(cast: Cast) -> Story:
    """Seven months on: it lives, bends and works. Closed."""
    born, cut = dt.date(1981, 3, 21), Cut("middle-proximal", 0.5, 3.0)
    hand = Hand(side="right", cuts=(cut,), seed=51)
    db = yield ago(days=215, hours=7)
    case = steps.open_case(db, cast, "amputation", "白桦", "female", born, "S26-0412")
    steps.severed(
        db, cast, case, "middle", "right", "sharp_cut", "industrial_machine", "切纸机切断右中指近节。Severed by a paper cutter.", "zone_4"
    )
    film = steps.film(hand, steps.subject("BAI^HUA", "S26-0412", born, "F"), ago(minutes=20), 106)
    yield Files(cast["lin"], case, (("IMG_0318.jpg", lambda: photos.hand_photo(hand)), ("middle-pa.dcm", film)))
    db = yield ago(days=215, hours=6)
    yield from steps.answered(
        db, cast, case, "gu", days=215,
        question="右中指近节锐器离断，拟就地再植，请指导。Sharp amputation of the right middle finger: guidance for replanting here.",
        recommendation="有良好再植条件，就地手术。双侧指动脉吻合，背侧静脉至少两条。Replant on site; both arteries, two dorsal veins.",
    )  # fmt: skip
    db = yield ago(days=214, hours=18)
    entries.submit(
        db, cast["lin"], case.id, "replant",
        {
            "unit": entries.units(entries.for_case(db, cast["lin"], case.id))[0].code, "reflow_at": steps.wall_clock(ago(hours=5)), "state": "good",
            "shortening": "4", "fixation": ["k_wire"], "arteries_count": "2", "arteries": ["proper_digital"], "veins_count": "2",
            "nerves_count": "2", "nerves": ["proper_digital"], "tendons": ["fdp", "edc"], "skin": ["primary"],
            "regime": ["low_heparin", "papaverine"], "minutes": "265", "note": "指腹红润，充盈 2 秒。Pulp pink, refill 2 s.",
        },
    )  # fmt: skip
    steps.treated(db, cast, case)
    for index, (days, pain, tam, work, pallor, note) in enumerate(_RECOVERY):
        db = yield ago(days=214 - days)
        healed = Hand(side="right", sutures=(cut,), wires=("middle-proximal",) if days < 40 else (), seed=60 + index)
        shown: Filed = yield Files(cast["ma"], case, ((f"IMG_W{days}.jpg", _healing(healed, pallor)),))
        db = yield ago(days=214 - days, minutes=-5)
        visit = next(seen.visit for seen in followups.for_case(db, cast["ma"], case.id) if seen.record is None)
        followups.record(
            db, cast["ma"], case.id,
            {
                "seen_on": ids.now().astimezone(ZoneInfo(steps.COUNTY_ZONE)).date().isoformat(), "survival": "survived", "pain": str(pain),
                "total_active_motion": str(tam), "motion": "limited" if tam < 180 else "slightly_limited", "work_status": work,
                "pictures": [str(shown[0])], "note": note,
            },
            visit_id=visit.id if visit else None,
        )  # fmt: skip
    db = yield ago(days=2)
    closures.close(
        db, cast["lin"], case.id,
        {
            "result": "healed", "survival": "survived", "work_status": "same",
            "summary": "断指存活，保护性感觉恢复，恢复原工作。The finger lives, protective sensation is back; she does her former work.",
        },
    )  # fmt: skip


# days after the operation, pain (NRS), total active motion (degrees), work, pallor, note
_RECOVERY = (
    (14, 4, 60, "none", 0.45, "红润，缝线已拆。Pink; stitches out."),
    (42, 3, 120, "none", 0.3, "克氏针已拔，开始主动活动。Wire removed; active motion begun."),
    (91, 2, 165, "modified", 0.15, "指腹有保护性感觉。Protective sensation at the pulp."),
    (184, 1, 205, "same", 0.05, "恢复原工作，遇冷不适。Back at her work; dislikes the cold."),
)


def _healing(hand: Hand, pallor: float) -> Callable[[], bytes]:
    return lambda: photos.hand_photo(hand, pallor=pallor)


def _draft(cast: Cast) -> Story:
    """Begun on the phone, not yet sent, and restricted."""
    db = yield ago(hours=1, minutes=10)
    case = steps.open_case(db, cast, "hand_injury", "安山", "male", dt.date(1966, 8, 14), "S26-1146")
    entries.save(
        db, cast["lin"], case.id, "injury",
        {"injured_at": steps.wall_clock(ago(hours=5)), "mechanism": "sharp_cut", "side": "right", "region": ["hand"], "note": "玻璃割伤右手掌，拇指屈曲受限。"},
    )  # fmt: skip
    # a colleague from the ward: the surgeon alone sees it, and whoever breaks the glass
    teams.restrict(db, cast.stepped_up("lin"), case.id, reason="colleague", person_ids=[])


def _child_tip(cast: Cast) -> Story:
    """The question was declined for want of pictures; it is the surgeon's turn again."""
    born, cut = dt.date(2018, 5, 9), Cut("little-distal", 0.5, 0.0)
    hand = Hand(side="right", cuts=(cut,), seed=71)
    db = yield ago(hours=2)
    case = steps.open_case(db, cast, "amputation", "方小海", "male", born, "S26-1133")
    steps.severed(
        db,
        cast,
        case,
        "little",
        "right",
        "crush",
        "domestic",
        "门夹伤右小指末节离断。Tip crushed in a door.",
        "zone_1",
        storage="moist_gauze",
    )
    yield Files(cast["lin"], case, (("IMG_2011.jpg", lambda: photos.hand_photo(hand)),))
    db = yield ago(hours=1, minutes=30)
    referral = steps.refer(db, cast, case, "患儿右小指末节离断，再植还是原位缝合？Replant the tip or composite graft?")
    db = yield ago(hours=1, minutes=24)
    referrals.allocate(db, cast["luo"], referral.id, expert_id=steps.id_of(cast["gu"]))
    db = yield ago(hours=1, minutes=18)
    referrals.decline(
        db,
        cast["gu"],
        referral.id,
        code="not_enough_information",
        reason="缺断指照片和 X 线片，请补充后再提请。Please add the part and a film, then ask again.",
    )


STORIES: tuple[Callable[[Cast], Story], ...] = (
    _middle_replant,
    _ring_avulsion,
    _forearm,
    _child_tip,
    _thumb_avulsion,
    _draft,
    _severed_index,
)


def make_world(database: Database, pool: Pool, folder: Path, say: Say) -> None:
    """Fill an empty database with the sample world; the sign-ins, written last, say that it is whole."""
    with database.begin() as db, ids.told(ids.now() - ago(days=300)):
        cast, accounts = sample.people_and_hospitals(db)
    tell(database, pool, [story(cast) for story in (*STORIES, *sample_reconstruction.STORIES)], say)
    with database.begin() as db:
        sample.put_on_duty(db, cast)
        accounts = sample.with_tokens(db, cast, accounts)
    sample.write_accounts(folder, accounts)
