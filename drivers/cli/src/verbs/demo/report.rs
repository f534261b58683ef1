//! What came of the demo.

use super::swarm::Member;
use crate::{
    failure::Failure,
    output::{DemoNode, EncryptionCounts, Event, Reporter},
    units::{ByteSize, Percent, Rate},
};
use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use convoy_core::storage::Geometry;
use std::time::Duration;

/// Prints the table, and fails if a copy differs.
pub(super) fn tell(
    geometry: Geometry,
    members: &[Member],
    sound: &[bool],
    reporter: &Reporter,
) -> Result<(), Failure> {
    let nodes: Vec<DemoNode> =
        members.iter().zip(sound).map(|(member, &ok)| node(member, ok, geometry.total_length())).collect();
    let leechers = nodes.iter().skip(1);
    let (total, pieces) = (geometry.total_length(), geometry.pieces());
    let seconds = leechers.clone().map(|node| node.seconds).fold(0.0, f64::max);
    let delivered = total * leechers.clone().count() as u64;
    let rate = Rate::mean(delivered, Duration::from_secs_f64(seconds));
    let ok = sound.iter().all(|&ok| ok);
    reporter.finish();
    reporter.result(table(&nodes));
    for told in nodes.iter().filter_map(|node| troubles(&node.node, &node.encryption)) {
        reporter.result(told);
    }
    reporter.result(format_args!(
        "{} delivered to {} leechers in {seconds:.2} s: {rate} in all; {}",
        ByteSize(delivered),
        leechers.count(),
        if ok { "every hash is right" } else { "NOT every hash is right" }
    ));
    reporter.event(&Event::DemoSummary { ok, total, pieces, seconds, rate: rate.0, nodes: &nodes });
    let bad: Vec<&str> = nodes.iter().filter(|node| !node.ok).map(|node| node.node.as_str()).collect();
    if bad.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("the copy of {} differs from the original", bad.join(", ")))
        .advise("this is a fault of the program; please report it with the output of a run with -vv"))
}

fn node(member: &Member, ok: bool, total: u64) -> DemoNode {
    let took = member.took.unwrap_or_default();
    let rate = member.took.map_or(0, |took| Rate::mean(total, took).0);
    DemoNode {
        node: member.name.clone(),
        ok,
        seconds: took.as_secs_f64(),
        rate,
        uploaded: member.sent,
        wasted: member.progress.as_ref().map_or(0, |progress| progress.wasted_bytes),
        encryption: (&member.statistics).into(),
        pieces_from: member.pieces_from.clone(),
    }
}

fn table(nodes: &[DemoNode]) -> Table {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    let from = nodes.iter().map(|node| format!("from {}", node.node));
    let fixed = ["node", "time", "rate", "sent", "encrypted", "hashes"].map(str::to_owned);
    table.set_header(fixed.into_iter().chain(from));
    for (number, node) in nodes.iter().enumerate() {
        let is_seed = number == 0;
        let unless_seed = |text: String| if is_seed { "–".to_owned() } else { text };
        let pieces: u64 = node.pieces_from.iter().copied().map(u64::from).sum();
        let mut row = vec![
            Cell::new(&node.node),
            right(unless_seed(format!("{:.2} s", node.seconds))),
            right(unless_seed(Rate(node.rate).to_string())),
            right(ByteSize(node.uploaded).to_string()),
            right(encrypted(&node.encryption)),
            Cell::new(if node.ok { "right" } else { "WRONG" }),
        ];
        for (source, &count) in node.pieces_from.iter().enumerate() {
            let share = Percent { part: u64::from(count), whole: pieces }.to_string();
            row.push(right(if is_seed || source == number { "–".to_owned() } else { share }));
        }
        table.add_row(row);
    }
    table
}

/// How many of its connections were encrypted, of how many.
fn encrypted(&EncryptionCounts { none, plaintext, rc4, .. }: &EncryptionCounts) -> String {
    format!("{} of {}", plaintext + rc4, none + plaintext + rc4)
}

/// Which of its dials fell back and which handshakes failed, if any.
fn troubles(node: &str, EncryptionCounts { fallbacks, failures, .. }: &EncryptionCounts) -> Option<String> {
    let mut parts: Vec<String> = failures.iter().map(|(why, count)| format!("{count} {why}")).collect();
    if *fallbacks > 0 {
        parts.push(format!("{fallbacks} dialled again the other way"));
    }
    (!parts.is_empty()).then(|| format!("{node}: handshakes that failed: {}", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn only_what_went_wrong_is_told() {
        let mut counts =
            EncryptionCounts { none: 1, plaintext: 2, rc4: 4, fallbacks: 0, failures: BTreeMap::new() };
        assert_eq!((encrypted(&counts), troubles("seed", &counts)), ("6 of 7".to_owned(), None));
        counts.fallbacks = 2;
        counts.failures = BTreeMap::from([("hung_up", 2), ("unknown_skey", 1)]);
        let told = "seed: handshakes that failed: 2 hung_up, 1 unknown_skey, 2 dialled again the other way";
        assert_eq!(troubles("seed", &counts).as_deref(), Some(told));
    }
}
