//! The table of rules and the script with their proofs name the same rules.

use hotspur_opt::Rule;

#[test]
fn every_rule_has_a_proof() {
    let script = include_str!("../proofs/integers.py");
    let after_decorator = |(i, l): (usize, &str)| (l == "@rule").then(|| script.lines().nth(i + 1));
    let mut proved: Vec<&str> = script
        .lines()
        .enumerate()
        .filter_map(after_decorator)
        .flatten()
        .filter_map(|l| l.strip_prefix("def ")?.strip_suffix("():"))
        .collect();
    let mut rules: Vec<&str> = Rule::ALL.iter().map(|r| r.name()).collect();
    proved.sort_unstable();
    rules.sort_unstable();
    assert_eq!(proved, rules);
}
