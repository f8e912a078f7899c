"""usage: MRMR_PASSPHRASE=... cheap_slot.py SLOT

Prints the passphrase's key slot in file SLOT anew, with the cheapest parameters that mrmr-format(5)
allows (2 passes over 64 MiB): what a slot of a time with slower machines looks like."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import reader  # noqa: E402

PASSES, MEMORY = 2, 64 << 20

with open(sys.argv[1]) as f:
    slot = json.load(f)
master, epoch = reader.slot_open(slot)
salt = os.urandom(16)
kek = reader.argon2id.kdf(32, os.environ["MRMR_PASSPHRASE"].encode(), salt, PASSES, MEMORY)
slot_id, array_id = bytes.fromhex(slot["slot_id"]), bytes.fromhex(slot["array_id"])
commitment = reader.blake2b(reader.kdf(kek, "mrmrslot", 1), "mrmr slot", slot_id + array_id)
extra = (b"MRMRSLOT" + slot["format"].to_bytes(2, "little") + bytes([1, 1]) +
         epoch.to_bytes(4, "little") + slot["created_s"].to_bytes(8, "little") +
         PASSES.to_bytes(8, "little") + MEMORY.to_bytes(8, "little") + slot_id + array_id +
         salt + commitment + slot["mandatory"].to_bytes(4, "little") +
         slot["optional"].to_bytes(4, "little"))
nonce = os.urandom(reader.NONCE)
wrapped = nonce + reader.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
    master, extra, nonce, reader.kdf(kek, "mrmrslot", 2))
slot["kdf"].update(passes=PASSES, memory_bytes=MEMORY, salt=salt.hex())
slot.update(commitment=commitment.hex(), wrapped=wrapped.hex())
print(json.dumps(slot))
