"""The Merkle tree against its definition in RFC 6962 and the values every other implementation gives."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import merkle

# the leaves and roots that Certificate Transparency implementations test with
LEAVES = [
    bytes.fromhex(leaf) for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, as it is written there."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def path(leaves: list[bytes], index: int) -> list[bytes]:
    """PATH of RFC 6962 §2.1.1."""
    if len(leaves) == 1:
        return []
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < split:
        return [*path(leaves[:split], index), root(leaves[split:])]
    return [*path(leaves[split:], index - split), root(leaves[:split])]


def hashes(size: int) -> list[bytes]:
    return [merkle.leaf_hash(b"%d" % n) for n in range(size)]


def test_the_known_roots() -> None:
    tree = merkle.Frontier()
    assert tree.root().hex() == ROOTS[0]
    for leaf, expected in zip(LEAVES, ROOTS[1:], strict=True):
        tree.append(merkle.leaf_hash(leaf))
        assert tree.root().hex() == expected


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_frontier_resumed_anywhere_gives_the_root_of_the_definition(before: int, after: int) -> None:
    leaves, tree = hashes(before + after), merkle.Frontier()
    for leaf in leaves[:before]:
        tree.append(leaf)
    resumed = merkle.Frontier(tree.size, tree.encode())
    for leaf in leaves[before:]:
        resumed.append(leaf)
    assert (resumed.size, resumed.root()) == (before + after, root(leaves))


def test_a_frontier_of_the_wrong_length_is_refused() -> None:
    for size, encoded in ((1, b""), (0, bytes(32)), (3, bytes(32)), (4, bytes(33))):
        with pytest.raises(ValueError, match="frontier"):
            merkle.Frontier(size, encoded)


@given(st.integers(1, 200), st.data())
def test_a_path_is_that_of_the_definition_and_proves_its_leaf(size: int, data: st.DataObject) -> None:
    leaves = hashes(size)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_path(leaves, index)
    assert proof == path(leaves, index)
    assert merkle.included(leaves[index], index, size, proof, root(leaves))


@given(st.integers(1, 64), st.data())
def test_a_path_proves_nothing_else(size: int, data: st.DataObject) -> None:
    leaves = hashes(size)
    index = data.draw(st.integers(0, size - 1))
    proof, top = merkle.inclusion_path(leaves, index), root(leaves)
    other = data.draw(st.integers(0, size + 1))
    if other != index:
        assert not merkle.included(leaves[index], other, size, proof, top)
    assert not merkle.included(merkle.leaf_hash(b"forged"), index, size, proof, top)
    assert not merkle.included(leaves[index], index, size, [*proof, top], top)
    assert not merkle.included(leaves[index], index, size, proof, bytes(32))
    if proof:
        assert not merkle.included(leaves[index], index, size, proof[:-1], top)
        assert not merkle.included(leaves[index], index, size, [proof[0][::-1], *proof[1:]], top)


def test_there_is_no_path_to_a_leaf_that_is_not_there() -> None:
    for index in (-1, 3):
        with pytest.raises(IndexError):
            merkle.inclusion_path(hashes(3), index)
