"""Queue manager and accelerator structures in memory (qm.md 3), their codes and constants."""

STRUCTURES = """
SQC 256                     # 3.1
    @0 15:0    head
    @2 15:0    tail
    @4 31:0    base_l
    @8 31:0    base_h
    @12 11:0   depth_minus_1
    @12 15:12  log2_size
    @12 31:16  stash
    @16 15:0   w8
    @20 15:0   pasid
    @22 5      head_wrap
    @22 6      tail_wrap
    @22 7      pasid_enable
    @24 15:0   cq_num
    @26 3:0    priority
    @26 4      order
    @26 5      fc
    @26 6      close
    @26 11:8   type

CQC 256                     # 3.2
    @0 15:0    head
    @2 15:0    tail
    @4 31:0    base_l
    @8 31:0    base_h
    @12 11:0   depth_minus_1
    @12 15:12  log2_size
    @12 31:16  stash
    @16 15:0   w8
    @20 15:0   pasid
    @22 0      pasid_enable
    @22 5      head_wrap
    @22 6      tail_wrap
    @24 0      phase
    @24 1      c_flag
    @24 2      stash_valid

EQC 224                     # 3.3
AEQC 224
    @0 15:0    head
    @2 15:0    tail
    @4 31:0    base_l
    @8 31:0    base_h
    @12 31:0   dw3
    @24 15:0   depth_minus_1
    @24 16     phase

CQE 128                     # 3.4
    @4 15:0    cmd_id
    @8 15:0    sq_head
    @10 15:0   sq_num
    @14 0      phase
    @14 15:1   status

EQE 32
    15:0       cq_num
    16         phase

AEQE 32
    15:0       queue
    16         phase
    20:17      type:AeqeType

SQC_VFT 64                  # 3.6
    43:28      first
    44         valid
    54:45      number_minus_1

CQC_VFT 64
    28         valid

SHAPER_VFT 64
    7:0        cir_b
    10:8       cir_u
    14:11      cir_s
    18:15      cbs_b
    23:19      cbs_s

SGL 512                     # 3.7, without the entries
    @0 63:0    next_dma
    @8 15:0    entry_sum_in_chain
    @10 15:0   entry_sum_in_sgl
    @12 15:0   entry_length_in_sgl

SGE 256
    @0 63:0    buffer
    @16 31:0   length
"""

BD = """
BD3 1024                    # 3.8
    @0 3:0     type
    @0 4       invalid
    @0 8:5     scene:Scene
    @0 10:9    de
    @0 13:11   src_addr_type:AddressType
    @0 16:14   dst_addr_type:AddressType
    @0 19:17   mac_addr_type:AddressType
    @4 1:0     cipher:Cipher
    @4 3:2     iv_gen
    @4 9:4     c_icv_len
    @4 12:10   c_width
    @4 15:13   c_key_len:KeyLength
    @6 3:0     c_mode:Mode
    @6 7:4     c_alg:Algorithm
    @7 3:0     nonce_len
    @7 4       huk
    @7 5       cal_iv_addr_en
    @7 6       seq
    @8 63:0    tag
    @16 63:0   data_src_addr
    @24 63:0   a_key_addr
    @32 63:0   a_ivin_addr
    @48 63:0   c_key_addr
    @56 1:0    auth:Auth
    @56 3:2    auth_iv_src
    @56 8:4    mac_len
    @56 14:9   a_key_len
    @56 20:15  a_alg:HashAlgorithm
    @56 24:21  key_sel
    @56 26:25  ctr_count_mode
    @56 27     sva_prefetch
    @56 30:28  key_wrap
    @56 31     update_key
    @60 31:0   salt
    @64 15:0   auth_src_offset
    @66 15:0   cipher_src_offset
    @68 23:0   a_len
    @68 31:24  auth_key_offset
    @72 23:0   c_len
    @72 31:24  auth_ivin_offset
    @76 63:0   data_dst_addr
    @84 63:0   mac_addr
    @92 63:0   c_ivin_addr
    @100 63:0  long_a_data_len
    @108 1:0   stream_auth_pad
    @112 0     done
    @112 3:1   icv
    @112 6:4   csum
    @112 10:7  flag:DoneFlag
    @114 7:0   error_type:ErrorType
    @115 7:0   warning_type
    @116 31:0  mac_i
    @120 31:0  checksum
    @124 31:0  counter
"""

LAYOUTS = {
    "spec.qm.structures": STRUCTURES,
    "spec.sec.bd": BD,
}

ENUMS = {
    # 2.4, 2.6, 3.4, 2.3
    "MailboxCommand": "SQC=0 CQC=1 EQC=2 AEQC=3 SQC_BT=4 CQC_BT=5 SQC_VFT_V2=6 CLOSE_QM=7 "
                      "STOP_QP=8 FLUSH_QM=9 FLUSH_QP=0xa SRC=0xc DST=0xd PAUSE_QM=0xe",
    "MailboxOp": "SET=0 GET=1",
    "DoorbellCommand": "SQ=0 CQ=1 EQ=2 AEQ=3",
    "AeqeType": "CQ_OVERFLOW=0 EQ_OVERFLOW=1 CQE_ERROR=2",
    "OverflowType": "CQ=0 EQ=1 AEQ=2",       # 2.3, INF00
    "VftType": "SQC=0 CQC=1 SHAPER=2",
    # 3.8
    "Cipher": "NONE=0 ENCRYPT=1 DECRYPT=2 COPY=3",
    "Algorithm": "DES=0 DES3=1 AES=2 SM4=3",
    "Mode": "ECB=0 CBC=1 CFB=2 OFB=3 CTR=4 CCM=5 GCM=6 XTS=7 CBC_CTS=9",
    "Operation": "COPY=0 FILL=1 RAND48=2 SUM=3 CRC32C=4",   # ours: cipher 3, in the mode field
    "KeyLength": "AES128=0 AES192=1 AES256=2",
    "AddressType": "FLAT=0 SGL=1 PRP=2",
    "Scene": "NONE=0 IPSEC=1 STREAM=7 PBKDF2=8",
    "Auth": "NONE=0 CALCULATE=1 VERIFY=2",
    "HashAlgorithm": "SHA1=0 SHA256=1 MD5=2 SHA224=3 SHA384=4 SHA512=5 SHA512_224=6 "
                     "SHA512_256=7 HMAC=0x10 XCBC=0x20 CMAC=0x21 GMAC=0x22 SM3=0x25 "
                     "HMAC_SM3=0x26",
    "DoneFlag": "CIPHER=2 AEAD=3",
}

# Codes the references leave to the device (9): name of success, and the field they must fit
OWN_CODES = {
    "MailboxStatus": ("OK", 4),
    "ErrorType": ("OK", 8),
}

CONSTANTS = {
    "REVISION": 0x30,                   # 1.1
    "BAR2_SIZE": 0x400000,              # 1.2
    "QUEUES_MAX": 1024,                 # 1.4: V2 and V3
    "CONFIG_SIZE": 4096,                # PCI Express
    "VECTORS": 4,                       # 1.5
    "DOORBELL_PAGE": 0x10000,           # 2.6: page of a queue in BAR4, doorbell inside it
    "DOORBELL_OFFSET": 0x1000,
    "SQE_BYTES": 128,
    "CQE_BYTES": 16,
    "CONTEXT_SLOT": 32,
    "SGL_ALIGN": 64,
    "BD3_TYPE": 3,
    "STATUS_OFFSET": 112,               # only bytes 112 to 127 are written back
    "STATUS_BYTES": 16,
    "RESULT_OFFSET": 116,               # ours: mac_i and checksum as one number
    "RESULT_BYTES": 8,
    "RAND48_MULTIPLIER": 25214903917,
    "RAND48_INCREMENT": 11,
    "RAND48_BITS": 48,
    "CIPHER_LENGTH_MAX": 0xFFFE00,
    "AES_BLOCK": 16,
    "IV_BYTES": 16,
    "AES_KEY_BYTES": {0: 16, 1: 24, 2: 32},
}
