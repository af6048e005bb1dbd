//! Words for random routes.

const ADJECTIVES: [&str; 32] = [
    "able", "active", "bold", "brave", "bright", "calm", "chipper", "clever", "cosy", "daring",
    "eager", "fair", "fancy", "fast", "gentle", "glad", "grand", "happy", "honest", "jolly",
    "keen", "kind", "lively", "lucky", "mellow", "merry", "noble", "proud", "quick", "quiet",
    "smart", "sunny",
];

const NOUNS: [&str; 32] = [
    "anchovy", "badger", "basil", "bear", "cat", "crane", "deer", "dolphin", "eagle", "fennel",
    "finch", "fox", "gnocchi", "hare", "heron", "lark", "leek", "lynx", "magpie", "olive", "otter",
    "oyster", "panda", "pepper", "raven", "sage", "seal", "sparrow", "squid", "thyme", "tiger",
    "wren",
];

/// A phrase such as `brave-otter-qx`; the same for the same `luck`.
pub(super) fn phrase(luck: u64) -> String {
    let [a, n, x, y, ..] = luck.to_le_bytes();
    let word = |words: &[&'static str; 32], byte: u8| words[usize::from(byte % 32)];
    let letter = |byte: u8| char::from(b'a' + byte % 26);
    format!(
        "{}-{}-{}{}",
        word(&ADJECTIVES, a),
        word(&NOUNS, n),
        letter(x),
        letter(y)
    )
}
