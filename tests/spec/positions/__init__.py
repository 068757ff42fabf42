"""The second table: bit positions and numbers, typed from the references and from nothing else.

`spec/` is the only description of the registers and structures that the RTL, the model and the
drivers use, so a wrong bit there is wrong everywhere and no comparison between them can show it.
The modules here hold the same facts again, typed from `smmuv3.md` (sections 1 to 8) and `qm.md`
(sections 2, 3 and 6) without looking at `spec/`. Never generate them, and never correct them by
copying from `spec/`: when the two differ, the reference decides.

Members
-------
grammar : how a layout is written, and the parser
smmu_registers, smmu_structures, smmu_messages, smmu_codes : Arm SMMUv3
qm_registers, qm_structures : queue manager and accelerator
"""
