//! All short sequences of lines: most bugs of crashes show in a few operations after a sync.

use crate::amount::Amount;
use crate::script::{Line, MODES, Script, Start};
use crate::written;

const EMPTY: [Line; 7] = [
    Line::Put(0, 2),
    Line::Delete(1, 1),
    Line::Batch(0, 3),
    Line::Flush,
    Line::Sync,
    Line::Compact,
    Line::Reopen,
];

const SEGMENTS: [Line; 10] = [
    Line::Wide(10, 5),
    Line::Delete(90, 1),
    Line::Batch(60, 90),
    Line::Flush,
    Line::Sync,
    Line::Compact,
    Line::CompactRange(30, 60),
    Line::Reopen,
    Line::Widen,
    Line::Settle,
];

pub fn scripts(amount: &Amount) -> Vec<Script> {
    let mut scripts: Vec<Script> = written::SCRIPTS.iter().map(|text| text.parse().unwrap()).collect();
    match amount {
        Amount::One(script) => return vec![script.clone()],
        Amount::Small => {
            scripts.extend(in_all_modes(Start::Empty, &sequences(&EMPTY, 1..=2)));
            scripts.extend(in_all_modes(Start::Segments, &sequences(&SEGMENTS, 1..=1)));
        }
        Amount::Full => {
            scripts.extend(in_all_modes(Start::Empty, &sequences(&EMPTY, 1..=3)));
            scripts.extend(in_one_mode_each(Start::Empty, &sequences(&EMPTY, 4..=4)));
            scripts.extend(in_all_modes(Start::Segments, &sequences(&SEGMENTS, 1..=2)));
            scripts.extend(in_one_mode_each(Start::Segments, &sequences(&SEGMENTS, 3..=3)));
        }
    }
    scripts
}

pub fn scripts_for_faults(amount: &Amount) -> Vec<Script> {
    let mut scripts: Vec<Script> = written::SCRIPTS.iter().map(|text| text.parse().unwrap()).collect();
    match amount {
        Amount::One(script) => return vec![script.clone()],
        Amount::Small => {
            scripts.truncate(7);
            scripts.extend(in_one_mode_each(Start::Empty, &sequences(&EMPTY, 1..=2)));
        }
        Amount::Full => {
            scripts.extend(in_all_modes(Start::Empty, &sequences(&EMPTY, 1..=2)));
            scripts.extend(in_one_mode_each(Start::Empty, &sequences(&EMPTY, 3..=3)));
            scripts.extend(in_all_modes(Start::Segments, &sequences(&SEGMENTS, 1..=1)));
            scripts.extend(in_one_mode_each(Start::Segments, &sequences(&SEGMENTS, 2..=2)));
        }
    }
    scripts
}

/// All sequences of lines of these lengths that begin with a write.
fn sequences(lines: &[Line], lengths: std::ops::RangeInclusive<usize>) -> Vec<Vec<Line>> {
    let mut found = Vec::new();
    let mut longer = vec![Vec::new()];
    for length in 1..=*lengths.end() {
        let shorter = std::mem::take(&mut longer);
        for sequence in &shorter {
            for line in lines.iter().filter(|line| may_follow(sequence.last(), **line)) {
                longer.push(sequence.iter().copied().chain([*line]).collect());
            }
        }
        if lengths.contains(&length) {
            found.extend(longer.iter().cloned());
        }
    }
    found
}

/// The same twice does nothing the second time, unless it writes.
fn may_follow(last: Option<&Line>, line: Line) -> bool {
    let writes = matches!(line, Line::Put(..) | Line::Delete(..) | Line::Batch(..) | Line::Wide(..));
    writes || last.is_some_and(|last| *last != line)
}

fn in_all_modes(start: Start, sequences: &[Vec<Line>]) -> Vec<Script> {
    let all = sequences
        .iter()
        .flat_map(|lines| MODES.into_iter().map(move |mode| Script { mode, start, lines: lines.clone() }));
    all.filter(makes_sense).collect()
}

fn in_one_mode_each(start: Start, sequences: &[Vec<Line>]) -> Vec<Script> {
    let modes = MODES.into_iter().cycle();
    let all = sequences.iter().zip(modes).map(|(lines, mode)| Script { mode, start, lines: lines.clone() });
    all.filter(makes_sense).collect()
}

/// Without a log there is nothing to sync.
fn makes_sense(script: &Script) -> bool {
    script.mode != hestiastore::config::Durability::Off || !script.lines.contains(&Line::Sync)
}
