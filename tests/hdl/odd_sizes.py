"""Sizes at the ends of what `hdl.config` allows, and counts that are no powers of two.

Each is a preset as the command line takes it; together they hold every odd value in few builds.
"""

ODD = {
    "least": "base:sizes=tiny,lanes=1,tbu_slots=2,tbu_threads=1,write_blocks=1,walks=1,"
             "memory_reads=1,queues=2,ste_entries=0,cd_entries=0,walk_entries=0,tlb_entries=0,"
             "ipa_entries=0,utlb_entries=4",
    "narrow": "base:sizes=tiny,data_width=32,clients=3,walks=3,tbu_slots=5,tbu_threads=3,"
              "write_blocks=3,lanes=3,memory_reads=7,depth=3,ste_entries=3,cd_entries=5,"
              "walk_entries=5,tlb_entries=1,ipa_entries=3,utlb_entries=5",
    "wide": "base:sizes=tiny,data_width=512,clients=2,walks=5,tbu_slots=7,tbu_threads=5,"
            "write_blocks=5,lanes=5,memory_reads=128,queues=2,ste_entries=1,cd_entries=1,"
            "walk_entries=1,tlb_entries=2,ipa_entries=1,utlb_entries=64",
    "no clients": "base:sizes=tiny,clients=0,depth=2,memory_reads=2,ste_entries=0,ipa_entries=0",
    "some caches": "tiny:data_width=64,tlb_entries=8,walk_entries=0,ste_entries=0,cd_entries=7",
    "other caches": "tiny:data_width=256,tlb_entries=0,walk_entries=7,ste_entries=7,cd_entries=0",
}
