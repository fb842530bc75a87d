//! Which member gets which partition: evenly, and moving as little as possible.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::record::TopicPartition;

/// The parts of the `members` of one topic with `partitions`, given what each has now. `restless` goes to another
/// member than the one that has it, if there is another.
pub(super) fn balance(
    partitions: &[TopicPartition],
    members: &BTreeMap<u64, BTreeSet<TopicPartition>>,
    restless: Option<&TopicPartition>,
) -> BTreeMap<u64, BTreeSet<TopicPartition>> {
    let mut parts: BTreeMap<u64, BTreeSet<TopicPartition>> =
        members.keys().map(|member| (*member, BTreeSet::new())).collect();
    if members.is_empty() {
        return parts;
    }
    let quota = partitions.len().div_ceil(members.len());
    let mut free = Vec::new();
    for partition in partitions {
        let owner = members.iter().find(|(_, owned)| owned.contains(partition)).map(|(member, _)| *member);
        let kept = owner.filter(|_| restless != Some(partition)).and_then(|owner| parts.get_mut(&owner));
        match kept.filter(|part| part.len() < quota) {
            Some(part) => drop(part.insert(partition.clone())),
            None => free.push((partition, owner)),
        }
    }
    for (partition, owner) in free {
        give(&mut parts, partition, owner.filter(|_| members.len() > 1));
    }
    even_out(&mut parts);
    parts
}

/// Gives `partition` to the member with the fewest, but not to `but`.
fn give(parts: &mut BTreeMap<u64, BTreeSet<TopicPartition>>, partition: &TopicPartition, but: Option<u64>) {
    let to = parts.iter_mut().filter(|(member, _)| Some(**member) != but).min_by_key(|(_, part)| part.len());
    if let Some((_, part)) = to {
        part.insert(partition.clone());
    }
}

/// Moves partitions from the fullest to the emptiest until they differ by at most one.
fn even_out(parts: &mut BTreeMap<u64, BTreeSet<TopicPartition>>) {
    loop {
        let most = parts.iter().max_by_key(|(_, part)| part.len()).map(|(member, part)| (*member, part.len()));
        let fewest = parts.iter().min_by_key(|(_, part)| part.len()).map(|(member, part)| (*member, part.len()));
        let (Some((from, most)), Some((to, fewest))) = (most, fewest) else { return };
        if most <= fewest + 1 {
            return;
        }
        let moved = parts.get_mut(&from).and_then(BTreeSet::pop_last);
        if let (Some(moved), Some(part)) = (moved, parts.get_mut(&to)) {
            part.insert(moved);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(count: u32) -> Vec<TopicPartition> {
        (0..count).map(|partition| TopicPartition { topic: "t".into(), partition }).collect()
    }

    #[test]
    fn a_newcomer_gets_its_part_and_the_rest_stays() {
        let all = partitions(3);
        let members = BTreeMap::from([(1, all.iter().cloned().collect()), (2, BTreeSet::new())]);
        let parts = balance(&all, &members, None);
        assert_eq!((parts[&1].len(), parts[&2].len()), (2, 1));
        assert!(parts[&1].contains(&all[0]) && parts[&1].contains(&all[1]));
    }

    #[test]
    fn a_restless_partition_moves_and_all_are_given_once() {
        let all = partitions(4);
        let members = BTreeMap::from([
            (1, all[..2].iter().cloned().collect()),
            (2, all[2..].iter().cloned().collect::<BTreeSet<_>>()),
        ]);
        let parts = balance(&all, &members, Some(&all[0]));
        assert!(parts[&2].contains(&all[0]));
        let given: Vec<_> = parts.values().flatten().collect();
        assert_eq!((given.len(), parts[&1].len()), (4, 2));
    }

    #[test]
    fn nobody_gets_anything_of_no_members() {
        assert!(balance(&partitions(2), &BTreeMap::new(), None).is_empty());
    }
}
