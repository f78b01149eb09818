"""What was not used for longest is forgotten first."""

from stream.avro.lru import Lru


def test_what_was_not_used_for_longest_is_forgotten() -> None:
    kept: Lru[str, int] = Lru(2)
    assert not kept.put("a", 1)
    assert not kept.put("b", 2)
    assert kept.get("a") == 1
    assert kept.put("c", 3)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (1, None, 3)
    assert len(kept) == 2


def test_what_is_put_again_is_replaced_and_counts_as_used() -> None:
    kept: Lru[str, int] = Lru(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert not kept.put("a", 4)
    kept.put("c", 3)
    assert (kept.get("a"), kept.get("b")) == (4, None)
    kept.drop("a")
    kept.drop("a")
    assert kept.get("a") is None
