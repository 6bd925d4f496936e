//! Random histories of edits as an index would make them, and random edits that no index would.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::decode::decode_edit;
use super::super::encode::encode_edit;
use super::*;
use crate::environment::RandomSource;

/// Makes edits that apply.
pub(super) struct Historian {
    random: Arc<dyn RandomSource>,
    next_uid: u64,
}

impl Historian {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Environment::repeatable(seed).random, next_uid: 1 }
    }

    pub(super) fn below(&self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    fn uid(&mut self) -> u64 {
        self.next_uid += 1;
        self.next_uid
    }

    fn key(&self) -> Vec<u8> {
        let length = self.below(3) + 1;
        (0..length).map(|_| b'a' + self.below(26) as u8).collect()
    }

    fn segment(&self, state: &ManifestState) -> (u64, SegmentState) {
        let place = self.below(state.segments.len() as u64) as usize;
        let (id, segment) = state.segments.iter().nth(place).unwrap();
        (*id, segment.clone())
    }

    pub(super) fn edit(&mut self, state: &ManifestState) -> Edit {
        if state.closed.is_some() {
            return vec![Change::Open { epoch: state.epoch + 1 }].into();
        }
        let mut edit = Edit::from(match self.below(16) {
            0..=3 => self.flush(state),
            4 | 5 => self.compact(state),
            6 | 7 => self.split(state),
            8 => self.merge(state),
            9 | 10 => self.logs(state),
            11 => self.deletions(state),
            12 => self.close(state),
            _ => self.settings(state),
        });
        let obsolete = state.obsolete_after(&edit).unwrap();
        let names = obsolete.iter().map(|uid| format!("{uid:016x}.run"));
        let deletions = names.map(|name| Change::AddPendingDeletion { name });
        let end = edit.changes.len() - usize::from(matches!(edit.changes.last(), Some(Change::Close(_))));
        edit.changes.splice(end..end, deletions);
        edit
    }

    fn flush(&mut self, state: &ManifestState) -> Vec<Change> {
        let (id, segment) = self.segment(state);
        let run = RunReference {
            lower: segment.lower.clone(),
            upper: segment.upper.clone(),
            ..run(self.uid(), segment.next_rank)
        };
        let seq = state.last_seq + self.below(100);
        let put = Change::PutSegment {
            id,
            lower: segment.lower,
            upper: segment.upper,
            flushed_seq: seq,
            next_rank: segment.next_rank + 1,
        };
        vec![put, add_run(id, run), Change::LastSeq(seq)]
    }

    fn compact(&mut self, state: &ManifestState) -> Vec<Change> {
        let (id, segment) = self.segment(state);
        let Some(rank) = segment.runs.iter().map(|run| run.rank).max() else {
            return Vec::new();
        };
        let remove =
            |run: &RunReference| Change::RemoveRun { segment: id, uid: run.uid, lower: run.lower.clone() };
        let mut changes: Vec<_> = segment.runs.iter().map(remove).collect();
        let output = RunReference { lower: segment.lower, upper: segment.upper, ..run(self.uid(), rank) };
        changes.push(add_run(id, output));
        changes
    }

    /// A split changes references only (D2).
    fn split(&mut self, state: &ManifestState) -> Vec<Change> {
        let (id, segment) = self.segment(state);
        let at = self.key();
        let inside = segment.lower < at && segment.upper.as_ref().is_none_or(|upper| at < *upper);
        if !inside {
            return Vec::new();
        }
        let (left, right) = (state.next_segment_id, state.next_segment_id + 1);
        let part = |id, lower: &[u8], upper: Option<&Vec<u8>>| Change::PutSegment {
            id,
            lower: lower.to_vec(),
            upper: upper.cloned(),
            flushed_seq: segment.flushed_seq,
            next_rank: segment.next_rank,
        };
        let mut changes = vec![
            Change::DropSegment { id },
            part(left, &segment.lower, Some(&at)),
            part(right, &at, segment.upper.as_ref()),
        ];
        for run in &segment.runs {
            if run.lower < at {
                let upper = run.upper.clone().filter(|upper| *upper < at);
                let upper = Some(upper.unwrap_or_else(|| at.clone()));
                changes.push(add_run(left, RunReference { upper, ..run.clone() }));
            }
            if run.upper.as_ref().is_none_or(|upper| *upper > at) {
                let lower = run.lower.clone().max(at.clone());
                changes.push(add_run(right, RunReference { lower, ..run.clone() }));
            }
        }
        changes
    }

    fn merge(&mut self, state: &ManifestState) -> Vec<Change> {
        let (left_id, left) = self.segment(state);
        let mut others = state.segments.iter();
        let Some((right_id, right)) = others.find(|(_, s)| left.upper.as_ref() == Some(&s.lower)) else {
            return Vec::new();
        };
        let put = Change::PutSegment {
            id: left_id,
            lower: left.lower,
            upper: right.upper.clone(),
            flushed_seq: left.flushed_seq.min(right.flushed_seq),
            next_rank: left.next_rank.max(right.next_rank),
        };
        let mut changes = vec![put, Change::DropSegment { id: *right_id }];
        changes.extend(right.runs.iter().map(|run| add_run(left_id, run.clone())));
        changes
    }

    fn logs(&mut self, state: &ManifestState) -> Vec<Change> {
        let last = state.logs.last().map_or(0, |log| log.number);
        let uid = self.uid();
        let add = |number| Change::AddLog { number, uid };
        if state.logs.is_empty() || self.below(2) == 0 {
            return vec![add(last + 1)];
        }
        let log = &state.logs[self.below(state.logs.len() as u64) as usize];
        let number = log.number;
        if self.below(2) == 0 {
            return vec![Change::LogFloor { number }];
        }
        let end = log.end.unwrap_or(LogEnd { offset: self.below(1 << 20), last_seq: self.below(1000) });
        let end = Change::EndLog { number, offset: end.offset, last_seq: end.last_seq };
        vec![end, add(number + 1)]
    }

    fn deletions(&mut self, state: &ManifestState) -> Vec<Change> {
        let done = state.pending_deletions.iter().take(2).cloned();
        done.map(|name| Change::DonePendingDeletion { name }).collect()
    }

    fn close(&mut self, state: &ManifestState) -> Vec<Change> {
        vec![close(state.logs.last().map_or(0, |log| log.number))]
    }

    fn settings(&mut self, state: &ManifestState) -> Vec<Change> {
        match self.below(6) {
            0 => vec![Change::SetConfig(vec![b'c'; self.below(2000) as usize])],
            1 => vec![Change::ClockMark(self.random.next_u64() >> 8)],
            2 => {
                let id = state.keyspaces.len() as u8;
                let name = format!("keyspace {id}");
                vec![Change::Keyspace { id, name }]
            }
            3 => vec![Change::Feature { incompatible: 0, compatible: 1 << self.below(32) }],
            4 => vec![Change::Identity {
                uuid: state.index_uuid,
                lineage: self.random.next_u64(),
                hash_seed: state.hash_seed,
            }],
            _ => vec![Change::SetTypes {
                key_type: "bytes".into(),
                value_type: format!("type {}", self.below(10)),
            }],
        }
    }
}

/// `count` edits that apply one after the other to a new index.
pub(super) fn history(seed: u64, count: usize) -> Vec<Vec<Change>> {
    let mut historian = Historian::new(seed);
    let mut state = new_index();
    let mut edits = Vec::new();
    for _ in 0..count {
        let edit = historian.edit(&state);
        state.apply(&edit).unwrap();
        assert_valid(&state);
        edits.push(edit.changes);
    }
    edits
}

fn small_key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(Vec::new()), prop::collection::vec(b'a'..b'e', 1..3)]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..4u64, 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

fn any_run() -> impl Strategy<Value = RunReference> {
    let upper = prop::option::of(small_key());
    let keys = (small_key(), upper, small_key(), small_key());
    let numbers = (number(), number(), number(), number(), number(), number());
    (keys, numbers, number()).prop_map(|((lower, upper, smallest_key, largest_key), n, max_seq)| {
        RunReference {
            uid: n.0,
            lower,
            upper,
            rank: n.1,
            stored_bytes: n.2,
            entries: n.3,
            tombstones: n.4,
            file_bytes: n.5,
            max_seq,
            smallest_key,
            largest_key,
        }
    })
}

/// A change of any kind, seldom one that applies.
pub(super) fn any_change() -> impl Strategy<Value = Change> {
    let name = "[a-c./]{0,3}";
    prop_oneof![
        (any::<u128>(), number(), number())
            .prop_map(|(uuid, lineage, hash_seed)| { Change::Identity { uuid, lineage, hash_seed } }),
        (name, name).prop_map(|(key_type, value_type)| Change::SetTypes { key_type, value_type }),
        small_key().prop_map(Change::SetConfig),
        any::<(u32, u32)>()
            .prop_map(|(incompatible, compatible)| Change::Feature { incompatible, compatible }),
        (0..3u8, name).prop_map(|(id, name)| Change::Keyspace { id, name }),
        number().prop_map(|epoch| Change::Open { epoch }),
        (number(), number(), number()).prop_map(|(log_number, end_offset, last_seq)| {
            Change::Close(Closed { log_number, end_offset, last_seq })
        }),
        number().prop_map(Change::LastSeq),
        number().prop_map(Change::ClockMark),
        number().prop_map(Change::NextSegmentId),
        (number(), small_key(), prop::option::of(small_key()), number(), number()).prop_map(
            |(id, lower, upper, flushed_seq, next_rank)| Change::PutSegment {
                id,
                lower,
                upper,
                flushed_seq,
                next_rank,
            }
        ),
        number().prop_map(|id| Change::DropSegment { id }),
        (number(), any_run()).prop_map(|(segment, run)| add_run(segment, run)),
        (number(), number(), small_key()).prop_map(|(segment, uid, lower)| Change::RemoveRun {
            segment,
            uid,
            lower,
        }),
        (number(), number()).prop_map(|(number, uid)| Change::AddLog { number, uid }),
        number().prop_map(|number| Change::LogFloor { number }),
        (number(), number(), number()).prop_map(|(number, offset, last_seq)| Change::EndLog {
            number,
            offset,
            last_seq,
        }),
        name.prop_map(|name| Change::AddPendingDeletion { name }),
        name.prop_map(|name| Change::DonePendingDeletion { name }),
    ]
}

proptest! {
    #[test]
    fn edits_decode_to_what_was_encoded(changes in prop::collection::vec(any_change(), 0..6)) {
        let edit = Edit { changes };
        prop_assert_eq!(decode_edit(&encode_edit(&edit)), Ok(edit));
    }

    #[test]
    fn an_edit_applies_whole_and_valid_or_not_at_all(
        seed: u64,
        edits in prop::collection::vec(prop::collection::vec(any_change(), 1..4), 1..40),
    ) {
        let before = applied(&new_index(), &history(seed, 12));
        let mut state = before;
        for changes in edits {
            let before = state.clone();
            match state.apply(&changes.into()) {
                Ok(()) => assert_valid(&state),
                Err(_) => prop_assert_eq!(&state, &before),
            }
        }
    }

    #[test]
    fn obsolete_files_are_those_that_lost_their_last_reference(seed: u64) {
        let mut historian = Historian::new(seed);
        let mut state = new_index();
        for _ in 0..40 {
            let edit = historian.edit(&state);
            let obsolete = state.obsolete_after(&edit).unwrap();
            let before = state.clone();
            state.apply(&edit).unwrap();
            for uid in 0..=historian.next_uid {
                let lost = before.references(uid) > 0 && state.references(uid) == 0;
                prop_assert_eq!(lost, obsolete.contains(&uid));
            }
        }
    }

    #[test]
    fn a_base_edit_rebuilds_the_state(seed: u64, count in 0usize..60) {
        let state = applied(&new_index(), &history(seed, count));
        let mut again = ManifestState::default();
        again.apply(&state.to_base_edit()).unwrap();
        again.edit_number = state.edit_number;
        prop_assert_eq!(again, state);
    }

    #[test]
    fn a_refused_append_takes_the_applied_edit_back(seed: u64, count in 0usize..30) {
        let edits = history(seed, count + 1);
        let (memory, mut file, states) = written(&new_index(), &edits[..count]);
        let mut state = states.last().unwrap().clone();
        memory.fail_next("sync", std::io::ErrorKind::Other);
        prop_assert!(file.commit(&mut state, &edits[count].clone().into()).is_err());
        prop_assert_eq!(&state, states.last().unwrap());
    }
}
