//! A damaged file beside sound ones. What becomes of every byte is in the sweeps (`tests/sweep`).

use hestiastore::directory::{Directory, SimulatedDirectory};

use crate::support::{Bytes, Index, copy, model, small};

type Model = std::collections::BTreeMap<Bytes, Bytes>;

/// Two runs, the second with tombstones; closed.
fn filled() -> (SimulatedDirectory, Model) {
    let directory = SimulatedDirectory::new();
    let index = small(&directory).create().unwrap();
    let mut model = model(40);
    for (key, value) in &model {
        index.put(key, value).unwrap();
    }
    index.flush_and_wait().unwrap();
    for key in model.keys().step_by(5).cloned().collect::<Vec<_>>() {
        index.delete(&key).unwrap();
        model.remove(&key);
    }
    index.flush_and_wait().unwrap();
    index.close().unwrap();
    (directory, model)
}

#[test]
fn a_damaged_run_is_found_by_check_and_leaves_the_rest_readable() {
    let (original, model) = filled();
    let names = original.list().unwrap();
    let readable = |run: &String| {
        let directory = copy(&original);
        // In the first chunk, behind the headers of file, block and chunk.
        directory.flip_bit(run, 4096 + 60, 1).unwrap();
        let index: Index = small(&directory).open().unwrap();
        let report = index.check().unwrap();
        assert!(report.problems.iter().any(|problem| problem.to_string().contains(&**run)), "{report}");
        let readable = model.keys().filter(|key| index.get(*key).is_ok()).count();
        assert!(readable > 0, "nothing can be read without a part of {run}");
        // A compaction cannot read it either, says so, and the index goes on.
        index.put(b"new", b"entry").unwrap();
        let _ = index.compact_and_wait();
        assert_eq!(index.get(b"new").unwrap().as_deref(), Some(&b"entry"[..]));
        readable
    };
    let counts: Vec<usize> = names.iter().filter(|name| name.starts_with("run-")).map(readable).collect();
    assert!(counts.iter().any(|&count| count < model.len()), "{counts:?}");
}
