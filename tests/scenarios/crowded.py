# usage: crowded.py TABLE MOST < `mrmr --json drives`
# Each live group on a line: its id, "crowded" if more than MOST of its objects are in one domain, else
# "spread", how many these are too many, and its objects with their drives. By the table alone.
import json
import sqlite3
import sys

domains = {}
for line in sys.stdin:
    drive = json.loads(line)
    if drive.get("message_type") == "drive":
        domains[bytes.fromhex(drive["drive_id"])] = drive["domain"]

table = sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True)
groups = {}
for group, name, drive in table.execute(
    "SELECT g.uid, b.name, d.uid FROM grp g JOIN member m ON m.grp = g.id"
    " JOIN block b ON b.id = m.block JOIN drive d ON d.id = b.drive"
    " UNION ALL SELECT g.uid, r.name, d.uid FROM grp g JOIN row r ON r.grp = g.id"
    " JOIN drive d ON d.id = r.drive WHERE r.present = 1"
):
    groups.setdefault(group.hex(), []).append((name.hex(), drive))
for group, objects in sorted(groups.items()):
    inside = [domains[drive] for _, drive in objects]
    excess = sum(max(inside.count(d) - int(sys.argv[2]), 0) for d in set(inside))
    print(
        group,
        "crowded" if excess > 0 else "spread",
        excess,
        " ".join(sorted("%s@%s" % (name, drive.hex()) for name, drive in objects)),
    )
