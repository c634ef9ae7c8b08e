"""`dfs verify`."""


def damage(store):
    """Flips one byte in the middle of the frames."""
    file = store / "key_frames/c.0.0.0.0"
    content = bytearray(file.read_bytes())
    # Frames take 360 bytes each, so byte 1600 is in the fifth, the last one of clip 1.
    content[1600] ^= 0x40
    file.write_bytes(content)


def test_an_intact_store_passes(dfs, store):
    outcome = dfs("verify", store)
    assert outcome.code == 0
    assert "intact" in outcome.stdout
    assert dfs("verify", store, "-q").stdout == ""
    assert dfs("verify", store, "--json").document == {
        "schema": "dfs.verify/1", "store": str(store), "ok": True, "findings": []
    }  # fmt: skip


def test_damage_is_listed_and_exits_with_1(dfs, tmp_path):
    from tests.cli.conftest import write_store

    store = write_store(tmp_path / "s.zarr")
    damage(store)
    outcome = dfs("verify", store)
    assert outcome.code == 1
    assert "clip 1 (b), position 7" in outcome.stdout
    assert "key_frames" in outcome.stdout
    content = dfs("verify", store, "--json").document
    assert content["ok"] is False
    assert content["findings"][0]["clip"] == 1
    assert content["findings"][0]["class_name"] == "b"
