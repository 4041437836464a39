"""The sealed format: what was sealed opens again, in one place only, and nothing else opens."""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import ids, sealed
from core.errors import Damaged
from core.sealed import CHUNK, HEADER, PREFIX, TAG, Context, Key, Reader, Writer, seal, unseal

KEY = Key(ids.new(), os.urandom(32))
CONTEXT = Context("image", ids.new(), "instances", ids.new(), 1)
PATTERN = random.Random(7).randbytes(5 * CHUNK)
STEP = CHUNK + TAG

borders = st.sampled_from([0, 1, 2, 3, 4]).flatmap(lambda n: st.integers(-3, 3).map(lambda d: max(n * CHUNK + d, 0)))
sizes = borders | st.integers(0, 4 * CHUNK + 9)


def reader(data: bytes, key: Key = KEY, context: Context = CONTEXT, size: int | None = None) -> Reader:
    return Reader(key, context, lambda start, length: data[start : start + length], len(data) if size is None else size)


def read_all(data: bytes, key: Key = KEY, context: Context = CONTEXT) -> bytes:
    opened = reader(data, key, context)
    return opened.read(0, opened.size)


OPENERS: list[Callable[..., bytes]] = [lambda data, key=KEY, context=CONTEXT: unseal(key, context, data), read_all]


@pytest.fixture(params=OPENERS, ids=["unseal", "reader"])
def opening(request: pytest.FixtureRequest) -> Callable[..., bytes]:
    found: Callable[..., bytes] = request.param
    return found


@given(sizes)
def test_what_was_sealed_opens_again(size: int) -> None:
    data = seal(KEY, CONTEXT, PATTERN[:size])
    assert len(data) == sealed.sealed_size(size)
    assert sealed.plain_size(len(data)) == size
    assert unseal(KEY, CONTEXT, data) == PATTERN[:size]
    assert reader(data).size == size


@given(sizes, st.data())
def test_any_range_is_read_alone(size: int, data: st.DataObject) -> None:
    start = data.draw(sizes | st.integers(0, size + 3))
    length = data.draw(sizes | st.integers(0, size + 3))
    whole = PATTERN[:size]
    assert reader(seal(KEY, CONTEXT, whole)).read(start, length) == whole[start : start + length]


@given(sizes, st.integers(1, 3), st.integers(0, CHUNK))
def test_a_stream_of_ranges_is_the_whole(size: int, step: int, start: int) -> None:
    data = seal(KEY, CONTEXT, PATTERN[:size])
    pieces = list(reader(data).stream(start, step=step * CHUNK))
    assert b"".join(pieces) == PATTERN[start:size]
    assert all(len(piece) <= step * CHUNK for piece in pieces)


@given(st.lists(sizes, max_size=5))
@settings(max_examples=50)
def test_a_writer_takes_pieces_of_any_size(pieces: list[int]) -> None:
    writer, plain, out = Writer(KEY, CONTEXT), b"", b""
    for piece in pieces:
        plain += PATTERN[:piece]
        out += writer.update(PATTERN[:piece])
    assert unseal(KEY, CONTEXT, out + writer.finish()) == plain


def test_a_reader_fetches_only_the_chunks_of_the_range() -> None:
    data, fetched = seal(KEY, CONTEXT, PATTERN), list[tuple[int, int]]()

    def fetch(start: int, length: int) -> bytes:
        fetched.append((start, length))
        return data[start : start + length]

    opened = Reader(KEY, CONTEXT, fetch, len(data))
    assert opened.read(2 * CHUNK + 5, 10) == PATTERN[2 * CHUNK + 5 : 2 * CHUNK + 15]
    assert fetched == [(PREFIX + 2 * STEP, STEP), (0, PREFIX)]
    assert opened.read(2 * CHUNK - 1, 2) == PATTERN[2 * CHUNK - 1 : 2 * CHUNK + 1]
    assert fetched[2:] == [(PREFIX + STEP, 2 * STEP)]


ELSEWHERE = {
    "another purpose": replace(CONTEXT, purpose="thumbnail"),
    "another organisation": replace(CONTEXT, organisation_id=ids.new()),
    "another table": replace(CONTEXT, table="renditions"),
    "another row": replace(CONTEXT, row_id=ids.new()),
    "an older version": replace(CONTEXT, version=2),
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_ciphertext_moved_elsewhere_does_not_open(where: str, opening: Callable[..., bytes]) -> None:
    data = seal(KEY, CONTEXT, b"left hand")
    with pytest.raises(Damaged, match="sealed-damaged"):
        opening(data, context=ELSEWHERE[where])


@given(st.data())
def test_contexts_never_encode_alike(data: st.DataObject) -> None:
    ids_drawn = st.sampled_from([UUID(int=0), UUID(int=1)])
    contexts = st.builds(Context, st.text("ab", max_size=3), ids_drawn, st.text("ab", max_size=3), ids_drawn, st.integers(0, 2))
    one, other = data.draw(contexts), data.draw(contexts)
    assert (one.encode() == other.encode()) == (one == other)


def test_a_text_cannot_pass_for_the_length_of_the_next() -> None:
    one, other = replace(CONTEXT, purpose="", table="\0\0"), replace(CONTEXT, purpose="\0\2", table="")
    assert one.encode() != other.encode()


@pytest.mark.parametrize("at", range(PREFIX))
def test_a_flipped_bit_before_the_chunks_is_found(at: int, opening: Callable[..., bytes]) -> None:
    data = bytearray(seal(KEY, CONTEXT, PATTERN[: CHUNK + 1]))
    for bit in range(8):
        data[at] ^= 1 << bit
        with pytest.raises(Damaged):
            opening(bytes(data))
        data[at] ^= 1 << bit
    assert opening(bytes(data)) == PATTERN[: CHUNK + 1]


@given(st.integers(PREFIX, sealed.sealed_size(2 * CHUNK + 7) - 1), st.integers(0, 7))
def test_a_flipped_bit_in_the_chunks_is_found(at: int, bit: int) -> None:
    data = bytearray(seal(KEY, CONTEXT, PATTERN[: 2 * CHUNK + 7]))
    data[at] ^= 1 << bit
    for opening in OPENERS:
        with pytest.raises(Damaged, match="sealed-damaged"):
            opening(bytes(data))


def test_an_unknown_suite_is_refused(opening: Callable[..., bytes]) -> None:
    data = bytearray(seal(KEY, CONTEXT, b"x"))
    for suite in (0, 2, 3, 255):
        data[HEADER - 17] = suite
        with pytest.raises(Damaged, match="sealed-suite"):
            opening(bytes(data))


def test_another_key_is_refused_by_its_id_and_a_forged_id_by_the_commitment(opening: Callable[..., bytes]) -> None:
    data = seal(KEY, CONTEXT, b"x")
    with pytest.raises(Damaged, match="sealed-key"):
        opening(data, key=Key(ids.new(), KEY.secret))
    with pytest.raises(Damaged, match="sealed-damaged"):
        opening(data, key=Key(KEY.id, os.urandom(32)))


def test_a_message_that_two_keys_could_open_is_refused_for_its_commitment(opening: Callable[..., bytes]) -> None:
    """The chunks are right for this key and only the commitment is not: GCM alone would open it."""
    data = bytearray(seal(KEY, CONTEXT, b"invisible salamander"))
    data[PREFIX - 1] ^= 1
    with pytest.raises(Damaged, match="sealed-damaged"):
        opening(bytes(data))


def chunks(data: bytes) -> list[bytes]:
    return [data[at : at + STEP] for at in range(PREFIX, len(data), STEP)]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5])
def test_truncation_is_found_at_every_border(size: int, opening: Callable[..., bytes]) -> None:
    data = seal(KEY, CONTEXT, PATTERN[:size])
    cuts = {0, 1, HEADER - 1, HEADER, PREFIX - 1, PREFIX, PREFIX + 1, PREFIX + TAG - 1, PREFIX + TAG, len(data) - 1}
    cuts |= {PREFIX + n * STEP + d for n in range(5) for d in (-TAG - 1, -TAG, -1, 0, 1, TAG - 1, TAG, TAG + 1)}
    for cut in sorted(cut for cut in cuts if 0 <= cut < len(data)):
        with pytest.raises(Damaged):
            opening(data[:cut])


def test_chunks_added_dropped_swapped_or_repeated_are_found(opening: Callable[..., bytes]) -> None:
    data = seal(KEY, CONTEXT, PATTERN[: 3 * CHUNK + 5])
    head, (one, two, three, last) = data[:PREFIX], chunks(data)
    other = chunks(seal(KEY, CONTEXT, PATTERN[: 3 * CHUNK + 5]))
    wrong = {
        "swapped": [two, one, three, last],
        "repeated": [one, one, two, three, last],
        "dropped": [one, three, last],
        "first dropped": [two, three, last],
        "last repeated": [one, two, three, last, last],
        "last dropped": [one, two, three],
        "extended by an empty chunk": [one, two, three, last, b"\0" * TAG],
        "extended by a byte": [one, two, three, last + b"\0"],
        "from another message": [one, other[1], three, last],
        "the end of another message": [one, two, three, other[3]],
    }
    for name, parts in wrong.items():
        with pytest.raises(Damaged):
            pytest.fail(f"{name}: opened {len(opening(head + b''.join(parts)))} bytes")
    assert opening(head + one + two + three + last) == PATTERN[: 3 * CHUNK + 5]


@given(sizes, st.integers(-2, 2), st.integers(-TAG - 2, TAG + 2))
def test_a_store_that_lies_about_the_length_is_found_out(size: int, full: int, rest: int) -> None:
    data = seal(KEY, CONTEXT, PATTERN[:size])
    claimed = len(data) + full * STEP + rest
    if claimed == len(data):
        return
    padded = data + bytes(3 * STEP)
    with pytest.raises(Damaged):
        assert reader(padded, size=max(claimed, 0)).size < 0
    with pytest.raises(Damaged):
        reader(padded, size=max(claimed, 0)).read(0, 1 << 40)


def test_a_read_that_reaches_the_end_checks_it_even_when_the_last_chunk_is_empty() -> None:
    data = seal(KEY, CONTEXT, PATTERN[: 2 * CHUNK])
    forged = data[:-1] + bytes([data[-1] ^ 1])
    assert reader(forged).read(0, CHUNK) == PATTERN[:CHUNK]
    with pytest.raises(Damaged):
        reader(forged).read(CHUNK, CHUNK)
    with pytest.raises(Damaged):
        reader(forged).read(2 * CHUNK, 0)


@pytest.mark.parametrize("cut", [sealed.sealed_size(CHUNK + 7), sealed.sealed_size(2 * CHUNK), PREFIX + STEP + TAG, PREFIX + TAG + 3])
def test_a_read_from_beyond_the_end_of_an_object_cut_short_is_no_empty_answer(cut: int) -> None:
    data = seal(KEY, CONTEXT, PATTERN[: 2 * CHUNK + 5])[:cut]
    for start, length in ((2 * CHUNK, 5), (2 * CHUNK, 0), (sealed.plain_size(cut), 1), (sealed.plain_size(cut), 0), (1 << 40, 1)):
        with pytest.raises(Damaged):
            reader(data).read(start, length)
    whole = reader(seal(KEY, CONTEXT, PATTERN[: 2 * CHUNK + 5]))
    assert whole.read(2 * CHUNK + 5, 1) == whole.read(1 << 40, 1) == b""


def test_a_store_that_gives_too_little_is_found_out() -> None:
    data = seal(KEY, CONTEXT, PATTERN)
    with pytest.raises(Damaged, match="sealed-length"):
        Reader(KEY, CONTEXT, lambda start, length: data[start : start + length - 1], len(data)).read(0, 10)


def test_two_messages_never_share_a_salt() -> None:
    salts = {seal(KEY, CONTEXT, b"")[HEADER : HEADER + sealed.SALT] for _ in range(5000)}
    assert len(salts) == 5000


def test_a_negative_range_is_a_mistake_of_the_caller() -> None:
    opened = reader(seal(KEY, CONTEXT, b"abc"))
    for start, length in ((-1, 1), (0, -1)):
        with pytest.raises(ValueError, match="negative"):
            opened.read(start, length)


def test_a_key_has_32_bytes_and_never_shows_them() -> None:
    key = Key(ids.new(), b"s" * 32)
    assert "ss" not in repr(key) + str(key) + f"{key}"
    for wrong in (b"", b"s" * 16, b"s" * 33):
        with pytest.raises(ValueError, match="32 bytes"):
            Key(ids.new(), wrong)


def test_what_is_no_sealed_object_has_no_key_id() -> None:
    for data in (b"", b"SHANHAI", b"PK\x03\x04" + bytes(60), bytes(24)):
        with pytest.raises(Damaged, match="sealed-header"):
            sealed.key_id(data)
