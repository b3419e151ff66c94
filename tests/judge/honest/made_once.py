# expect: passed
# mode: ranked
# Makes its folder, its files and its database as if it were alone: the next process of the run is, too.
import os
import sqlite3

import torch

os.mkdir("tables")
with open("tables/tuned.bin", "xb") as file:
    file.write(b"512")
database = sqlite3.connect("notes.db")
database.execute("create table tuned (block int)")
database.commit()


def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)
