//! The bytes of a small manifest, and the text of its dump. A change here is a change of the format.

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the edits begin: behind the second copy of the base.
fn edits_at(bytes: &[u8]) -> usize {
    let payload = u32::from_be_bytes(bytes[20..24].try_into().unwrap());
    4096 + 24 + payload as usize
}

fn example() -> (Memory, ManifestFile, Vec<ManifestState>) {
    let name = "7.run".to_string();
    let edits = [
        vec![Change::Open { epoch: 1 }, Change::AddLog { number: 1, uid: 0xabcd }],
        vec![
            put_segment(1, "", Some("m")),
            put_segment(2, "m", None),
            add_run(1, clipped(7, 3, "", Some("m"))),
            Change::LastSeq(0x1234),
        ],
        vec![remove_run(1, 7, ""), Change::AddPendingDeletion { name }],
        vec![close(1)],
    ];
    written(&new_index(), &edits)
}

#[test]
fn golden_bytes() {
    let (memory, file, _) = example();
    let bytes = memory.bytes(MANIFEST_NAME);
    let (edits, end) = (edits_at(&bytes), file.bytes() as usize);
    let base = edits - 4096;
    assert_eq!(bytes[64..64 + base], bytes[4096..edits]);
    assert!(bytes[64 + base..4096].iter().all(|byte| *byte == 0));
    assert_eq!(bytes.len(), 131_072);
    assert_eq!(hex(&bytes[..64]), HEADER);
    assert_eq!(hex(&bytes[64..64 + base]), BASE);
    assert_eq!(hex(&bytes[edits..end]), EDITS);
}

const HEADER: &str = "\
     4853544d414e0d0a0001000000000000000000000000004900112233445566778899aabbccddeeffbdd73226\
     2feb6e95000000000000000000000000564bf5a9";
const BASE: &str = "\
     000000494f8a392f00000000000000000000000018fe4b178117810f112233445566778899aabbccddeeff82\
     0107830109820d81037536348206737472696e67830f810d636f6e66696775726174696f6e8400880089008a\
     038101028b03810101";
const EDITS: &str = "\
     0000000e3dd3e94000000000000000014f8a392fff1c53f586038101018f078101018202abcd0000004721d9\
     4b1a00000000000000023dd3e940c0849e728b0c81010183016d8401058501088b0c81010282016d84010585\
     01088d2381010182010784016d850103860203ef87010a880101890207d78a01078b01628c01798804810212\
     3400000011fa98f9d8000000000000000321d94b1a191f37878e0681010182010792078105372e72756e0000\
     000bd78e3aee0000000000000004fa98f9d8cc0c66d98709810101820164830132";

#[test]
fn a_dump_shows_every_edit() {
    let (memory, _, _) = example();
    let mut out = Vec::new();
    dump_manifest(&memory, MANIFEST_NAME, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), DUMP);
}

#[test]
fn a_dump_of_a_damaged_file_shows_what_it_can() {
    let (memory, file, _) = example();
    let mut bytes = memory.bytes(MANIFEST_NAME);
    bytes[file.bytes() as usize - 1] ^= 1;
    bytes[70] ^= 1;
    let mut out = Vec::new();
    dump_manifest(&Memory::with_file("copy", &bytes), "copy", &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("damaged base copy at 64"), "{text}");
    assert!(text.contains("edit 3 at"), "{text}");
    assert!(text.contains("torn tail at"), "{text}");
    let edits = edits_at(&bytes);
    bytes[edits + 30] ^= 1;
    let mut out = Vec::new();
    assert!(dump_manifest(&Memory::with_file("copy", &bytes), "copy", &mut out).is_err());
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("copy is damaged at offset"), "{text}");
}

const DUMP: &str = r#"index 00112233445566778899aabbccddeeff  file bdd732262feb6e95
features: compatible 0x0  incompatible 0x0
131072 bytes with the reserve
base state at 64, after edit 0
  identity 00112233445566778899aabbccddeeff  lineage 0000000000000007  hash seed 0000000000000009
  types "u64" -> "string"
  configuration, 13 bytes
  features: compatible 0x0  incompatible 0x0
  last seq 0
  clock mark 0 us
  next segment 2
  segment 1 ["", ...)  flushed seq 0  next rank 0
edit 1 at 4193, 38 bytes
  open, epoch 1
  log 1 000000000000abcd
edit 2 at 4231, 95 bytes
  segment 1 ["", "m")  flushed seq 5  next rank 8
  segment 2 ["m", ...)  flushed seq 5  next rank 8
  run 0000000000000007 in segment 1 ["", "m")  rank 3  keys "b" to "y"  entries 10  tombstones 1  max seq 7  1007 of 2007 bytes
  last seq 4660
edit 3 at 4326, 41 bytes
  remove run 0000000000000007 from "" of segment 1
  to be deleted: "7.run"
edit 4 at 4367, 35 bytes
  close at log 1 offset 100  last seq 50
end at 4402
"#;
