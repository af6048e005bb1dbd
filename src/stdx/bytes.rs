//! Numbers of bytes, for people.

/// A number of bytes as people write it: `512 B`, `64 KiB`, `1.5 GiB`.
#[must_use]
pub fn display(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let Some(exponent) = bytes
        .checked_ilog2()
        .map(|log| log / 10)
        .filter(|power| *power > 0)
    else {
        return format!("{bytes} B");
    };
    let unit = UNITS[exponent as usize - 1];
    let tenths = (u128::from(bytes) * 10) >> (exponent * 10);
    match tenths % 10 {
        0 => format!("{} {unit}", tenths / 10),
        rest => format!("{}.{rest} {unit}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn shows_the_largest_unit_that_fits() {
        let check = |bytes, expected| assert_eq!(super::display(bytes), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1 KiB");
        check(1_572_864, "1.5 MiB");
        check(1 << 30, "1 GiB");
        check(u64::MAX, "15.9 EiB");
    }
}
