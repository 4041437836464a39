"""Stories of the sample world about bone, skin and silence: an open tibia, a free flap, a question nobody takes, and two experts apart."""

import datetime as dt
from collections.abc import Callable

from imaging.phantoms import photos
from imaging.phantoms.hand import Cut, Hand
from registry import decisions, entries, messages, opinions, referrals
from registry import sample_steps as steps
from registry.sample import Cast
from registry.sample_telling import Files, Story, ago


def _open_tibia(cast: Cast) -> Story:
    """Debrided here, and waits at the invited hospital for the coordinator to allocate it: the hours of the cover run."""
    born = dt.date(1985, 1, 30)
    db = yield ago(hours=5)
    case = steps.open_case(db, cast, "open_fracture", "麦田", "male", born, "S26-1142", "urgent")
    steps.injury(
        db, cast["lin"], case, ago(hours=1, minutes=40), mechanism="crush", side="left", region=["leg"], cause="road_motorcycle",
        energy="high", contamination=["embedded", "soil_sand"], dominance="right", first_aid=["splint", "antibiotic"], tetanus="booster_given",
        antibiotic="头孢唑林 2 g", antibiotic_at=steps.wall_clock(ago(minutes=55)), systolic="112", diastolic="70", heart_rate="104", evidence=["photo"],
        note="摩托车侧翻，左小腿中段开放伤，骨外露约 4 cm，足背动脉可触及，足趾活动存在。Bone exposed about 4 cm; dorsalis pedis palpable.",
    )  # fmt: skip
    yield Files(cast["ma"], case, (("IMG_3310.jpg", lambda: photos.limb_photo(seed=31)),))
    db = yield ago(minutes=50)
    entries.submit(
        db, cast["lin"], case.id, "operation",
        {
            "began_at": steps.wall_clock(ago(hours=3)), "ended_at": steps.wall_clock(ago(hours=1, minutes=30)),
            "procedures": ["debridement", "fixation_external", "vacuum_dressing"], "anaesthesia": ["spinal"], "surgeon_role": "attending",
            "findings": "胫骨中段楔形骨块，骨膜剥脱约 4 cm，胫后血管神经束完整。Wedge fragment, periosteum stripped over 4 cm; bundle intact.",
        },
    )  # fmt: skip
    entries.submit(
        db, cast["lin"], case.id, "fracture",
        {
            "side": "left", "code": "42B2(b)", "openness": "open", "gustilo": "type_3b", "stage": "at_debridement", "ofc_skin": "skin_2",
            "ofc_muscle": "muscle_2", "ofc_arterial": "arterial_1", "ofc_contamination": "contamination_3a", "ofc_bone_loss": "bone_loss_1",
            "evidence": ["intra_operative"], "note": "分级于清创后。Graded after debridement.",
        },
    )  # fmt: skip
    entries.submit(
        db, cast["lin"], case.id, "wound",
        {
            "side": "left", "region": "leg", "site": "前内侧中段 / anteromedial, middle third", "length": "7.2", "width": "3.8", "depth": "1.5",
            "contamination": ["soil_sand"], "exposed": ["bone"], "foreign_body": "no", "edge": ["contused"], "evidence": ["intra_operative"],
        },
    )  # fmt: skip
    entries.submit(
        db, cast["lin"], case.id, "mess",
        {
            "side": "left", "limb": "lower", "tissue": "high", "ischaemia": "none", "over_six_hours": "no", "shock": "stable",
            "age": "from_30_to_50", "evidence": ["intra_operative"],
        },
    )  # fmt: skip
    db = yield ago(minutes=6)
    steps.refer(
        db,
        cast,
        case,
        "左小腿开放骨折，初次清创后软组织缺损约 7×4 cm，胫骨外露。覆盖时机和方式？When and how to cover the exposed tibia?",
        "microsurgery",
    )


def _free_flap(cast: Cast) -> Story:
    """A free flap of nine days ago, explored once for a venous crisis, and alive: its first visit comes up."""
    born = dt.date(1978, 11, 3)
    db = yield ago(days=12)
    case = steps.open_case(db, cast, "flap", "沙棘", "female", born, "S26-1057")
    steps.injury(
        db, cast["lin"], case, ago(days=2), mechanism="degloving_open", side="right", region=["leg"], cause="thresher", energy="high",
        contamination=["agricultural"], first_aid=["pressure_dressing", "antibiotic"], tetanus="booster_given", evidence=["photo"],
        note="右小腿卷入打谷机，前外侧皮肤脱套，两次清创后创面清洁。Degloved by a thresher; clean after two debridements.",
    )  # fmt: skip
    entries.submit(
        db, cast["lin"], case.id, "wound",
        {
            "side": "right", "region": "leg", "length": "14", "width": "7", "depth": "1", "exposed": ["tendon_without_paratenon", "bone"],
            "bed": "granulating", "granulating": "70", "slough": "20", "exudate": "serous", "exudate_amount": "low", "evidence": ["photo"],
        },
    )  # fmt: skip
    yield Files(cast["ma"], case, (("IMG_2205.jpg", lambda: photos.limb_photo(wound_mm=(140.0, 66.0), seed=83)),))
    db = yield ago(days=11, hours=5)
    referral = steps.refer(
        db, cast, case, "右小腿前外侧皮肤缺损 14×7 cm，肌腱外露。游离皮瓣还是植皮？Free flap or graft over exposed tendon?", "microsurgery"
    )
    db = yield ago(days=11, hours=4)
    referrals.allocate(db, cast["luo"], referral.id, expert_id=steps.id_of(cast["shen"]))
    db = yield ago(days=11, hours=3)
    referrals.acknowledge(db, cast["shen"], referral.id)
    db = yield ago(days=11, hours=2)
    steps.opinion(
        db, cast, "shen", case,
        findings="创面 14×7 cm，胫前肌腱无腱周膜，骨外露少许，基底肉芽新鲜。Tendon bare of paratenon, a little bone exposed, fresh granulations.",
        classification="小腿中下段皮肤软组织缺损。Soft-tissue defect, middle and lower leg.",
        recommendation="游离股前外侧皮瓣，胫前动脉端侧吻合，两条伴行静脉；供区直接缝合。"
        "Free anterolateral thigh flap, end to side to the anterior tibial artery, two veins.",
        urgency="urgent",
        monitoring="术后 24 小时每 30 分钟观察皮瓣，随后每小时。Every 30 min for 24 h, then hourly.",
        limits=steps.LIMITS,
    )  # fmt: skip
    db = yield ago(days=10, hours=20)
    signed = opinions.for_case(db, cast["lin"], case.id)[-1].opinion
    decisions.record(db, cast["lin"], case_id=case.id, opinion_id=signed.id, choice="accept", reason="")
    db = yield ago(days=9, hours=2)
    entries.submit(
        db, cast["lin"], case.id, "flap",
        {
            "flap": "alt", "transfer": ["free"], "donor_side": "left", "composition": ["fasciocutaneous"], "length": "16", "width": "8",
            "perforators": "2", "pedicle": "9", "donor_closure": "direct", "side": "right", "region": "leg", "arteries": ["anterior_tibial"],
            "artery_anastomosis": "end_to_side", "veins_count": "2", "vein_anastomosis": "sewn", "ischaemia": "74", "state": "good",
            "operated_on": steps.wall_clock()[:10], "note": "皮瓣红润，充盈 2 秒。Pink, refill 2 s.",
        },
    )  # fmt: skip
    steps.treated(db, cast, case)
    db = yield ago(days=8, hours=3)
    entries.submit(
        db, cast["lin"], case.id, "complication",
        {
            "kind": "venous_congestion", "found_at": steps.wall_clock(ago(hours=6)), "grade": "grade_3b", "state": "resolved",
            "treatment": "术后 18 小时皮瓣紫暗、张力高，急诊探查见一条静脉血栓，重新吻合后恢复。Dusky at 18 h; one vein clotted, joined again, recovered.",
            "reoperation": "unplanned", "reoperated_at": steps.wall_clock(ago(hours=5)), "evidence": ["intra_operative"],
        },
    )  # fmt: skip
    messages.post(db, cast["lin"], case_id=case.id, text="探查及时，皮瓣已转红润，谢谢沈主任。Explored in time; the flap is pink again.")
    yield Files(cast["ma"], case, (("IMG_2301.jpg", lambda: photos.limb_photo(wound_mm=(60.0, 20.0), bone_exposed=False, seed=84)),))


def _silence(cast: Cast) -> Story:
    """An emergency that the expert on duty has not taken: as soon as a worker runs, the next one is called."""
    born, cut = dt.date(1999, 7, 7), Cut("index-proximal", 0.4, 4.0)
    hand = Hand(side="right", cuts=(cut,), seed=91)
    db = yield ago(minutes=35)
    case = steps.open_case(db, cast, "amputation", "马莲", "female", born, "S26-1149")
    steps.severed(
        db, cast, case, "index", "right", "crush", "industrial_machine", "压面机压断右示指近节。Crushed off in a dough roller.", "zone_4"
    )
    yield Files(cast["lin"], case, (("IMG_2077.jpg", lambda: photos.hand_photo(hand)),))
    db = yield ago(minutes=21)
    referral = steps.refer(db, cast, case, "右示指近节压砸离断，远端挫伤较重，再植还是残端修整？Replant, or shape the stump?")
    db = yield ago(minutes=18)
    referrals.allocate(db, cast["luo"], referral.id, expert_id=steps.id_of(cast["su"]))


def _two_minds(cast: Cast) -> Story:
    """Asked of two hospitals apart: one expert has answered, and the other reads nothing of it until they have too."""
    born, hand = dt.date(1971, 3, 14), Hand(side="left", seed=97)
    db = yield ago(days=2, hours=4)
    case = steps.open_case(db, cast, "fracture", "杜仲", "female", born, "S26-1097")
    steps.injury(
        db, cast["lin"], case, ago(days=9), mechanism="other", side="left", region=["hand"], energy="low", evidence=["photo", "radiograph"],
        note="跌倒后左环指近节骨折，外院夹板固定 9 天，手指旋转约 15°。Fell nine days ago; splinted; the ring finger is turned by about 15°.",
    )  # fmt: skip
    film = steps.film(hand, steps.subject("DU^ZHONG", "S26-1097", born, "F"), ago(minutes=40), 109)
    yield Files(cast["lin"], case, (("IMG_2160.jpg", lambda: photos.hand_photo(hand)), ("ring-pa.dcm", film)))
    db = yield ago(days=2)
    words = "左环指近节骨折，旋转畸形约 15°：现在手术矫正，还是等愈合后截骨？Correct the turn now, or cut the bone once it has healed?"
    asked = [
        referrals.request(
            db, cast["lin"], case_id=case.id, to_organisation_id=house, question=words, specialty="hand_surgery", independent=True
        )
        for house in (cast.seaview, cast.pines)
    ]
    for referral, coordinator, expert in zip(asked, ("luo", "jiang"), ("su", "qiu"), strict=True):
        referrals.allocate(db, cast[coordinator], referral.id, expert_id=steps.id_of(cast[expert]))
        referrals.acknowledge(db, cast[expert], referral.id)
    db = yield ago(days=1, hours=6)
    steps.opinion(
        db, cast, "su", case, findings="近节斜形骨折，已有少量骨痂。Oblique fracture of the proximal phalanx, some callus.",
        classification="左环指近节指骨干斜形骨折。", recommendation="尽早切开，清除骨痂，矫正旋转，螺钉固定。Open now, correct the turn, screws.",
        urgency="routine", monitoring="术后即查旋转：握拳时各指指向舟骨。Check the turn in a fist.", limits=steps.LIMITS,
    )  # fmt: skip


STORIES: tuple[Callable[[Cast], Story], ...] = (_free_flap, _open_tibia, _silence, _two_minds)
