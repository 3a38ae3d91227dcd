//! Numbers as people read them.

use std::path::Path;

use crate::data::Skipped;

/// `number` with its thousands apart: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Sizes as `--hidden` takes them: `128,64`.
pub fn sizes(sizes: &[usize]) -> String {
    sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Skips from layers to layers as they are typed.
pub fn skips(skips: &[(usize, usize)]) -> String {
    skips.iter().map(|(from, to)| format!("{from}-{to}")).collect::<Vec<_>>().join(",")
}

/// That rows of `data` were skipped.
pub fn bad_rows(data: &str, skipped: &Skipped) -> String {
    let (rows, first) = (number(skipped.rows, "bad row"), skipped.first(Path::new(data)));
    format!("warning: {data}: {rows} skipped, {}at {first}", if skipped.rows > 1 { "the first " } else { "" })
}

/// `per_second` of some `unit`, to three figures: `1.23 M rows/s` of `rows`.
pub fn rate(per_second: f64, unit: &str) -> String {
    match scaled(per_second, 1000.0, &["", "k", "M", "G", "T"]) {
        (figures, "") => format!("{figures} {unit}/s"),
        (figures, prefix) => format!("{figures} {prefix} {unit}/s"),
    }
}

/// A number to three figures: `1.23 M`.
pub fn prefixed(number: f64) -> String {
    let (figures, prefix) = scaled(number, 1000.0, &["", "k", "M", "G", "T"]);
    format!("{figures} {prefix}").trim_end().to_owned()
}

/// The size of a file or of data, in powers of 1000: `480 MB`.
pub fn bytes(bytes: u64) -> String {
    let (figures, unit) = scaled(bytes as f64, 1000.0, &["bytes", "kB", "MB", "GB", "TB", "PB"]);
    format!("{figures} {unit}")
}

/// The size of a cache or a memory, in powers of 1024: `32 KiB`.
pub fn memory(bytes: u64) -> String {
    let (figures, unit) = scaled(bytes as f64, 1024.0, &["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"]);
    format!("{figures} {unit}")
}

/// A length of time: `0.42 s`, `12.3 s`, `3 m 12 s`, `2 h 05 m`.
pub fn duration(seconds: f64) -> String {
    if seconds < 9.995 {
        return format!("{:.2} s", seconds.max(0.0));
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, minutes, seconds) => format!("{minutes} m {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} m"),
    }
}

/// A share of one, in percent: `84.61%`.
pub fn percent(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}

/// Rising numbers of cpus: `0-3,8`.
pub fn cpus(cpus: &[usize]) -> String {
    let runs = cpus.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run[0].to_string(),
    });
    runs.collect::<Vec<_>>().join(",")
}

/// A `thing` or several: `1 core`, `2 cores`, `1,000 rows`.
pub fn number(things: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(things), if things == 1 { "" } else { "s" })
}

/// `share` of a bar `width` signs wide: `[####------]`.
pub fn bar(share: f64, width: usize) -> String {
    let filled = (share.clamp(0.0, 1.0) * width as f64) as usize;
    format!("[{:-<width$}]", "#".repeat(filled))
}

/// `number` in the largest of `units`, each `base` times the one before, that leaves at least 1 of it.
///
/// Whole numbers of the smallest unit stay whole; everything else has three figures, or four just under 1024.
fn scaled<'a>(number: f64, base: f64, units: &[&'a str]) -> (String, &'a str) {
    let mut number = number.max(0.0);
    let mut at = 0;
    // What would be printed as `base` goes up a unit: 999.7 k is 1.00 M.
    while number >= base - 0.5 && at + 1 < units.len() {
        number /= base;
        at += 1;
    }
    let decimals = match number {
        whole if whole.fract() == 0.0 && (at == 0 || base == 1024.0) => 0,
        n if n < 9.995 => 2,
        n if n < 99.95 => 1,
        _ => 0,
    };
    (format!("{number:.decimals$}"), units[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_thousands_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (32_561, "32,561"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn rates_have_three_figures_across_every_prefix() {
        for (number, text) in [
            (0.0, "0 rows/s"),
            (0.25, "0.25 rows/s"),
            (512.0, "512 rows/s"),
            (999.4, "999 rows/s"),
            (999.5, "1.00 k rows/s"),
            (9_995.0, "10.0 k rows/s"),
            (12_345.0, "12.3 k rows/s"),
            (999_700.0, "1.00 M rows/s"),
            (1_234_567.0, "1.23 M rows/s"),
            (4.2e15, "4200 T rows/s"),
        ] {
            assert_eq!(rate(number, "rows"), text);
        }
    }

    #[test]
    fn sizes_of_files_are_decimal_and_sizes_of_memories_binary() {
        for (size, text) in [(0, "0 bytes"), (999, "999 bytes"), (480_000_000, "480 MB"), (1_048_576, "1.05 MB")] {
            assert_eq!(bytes(size), text);
        }
        for (size, text) in
            [(32 << 10, "32 KiB"), (1 << 20, "1 MiB"), (1536 << 10, "1.50 MiB"), (8_147_644_416, "7.59 GiB")]
        {
            assert_eq!(memory(size), text);
        }
    }

    #[test]
    fn durations_go_from_hundredths_to_hours() {
        for (seconds, text) in [
            (-1.0, "0.00 s"),
            (0.42, "0.42 s"),
            (9.996, "10.0 s"),
            (12.34, "12.3 s"),
            (59.96, "1 m 00 s"),
            (192.0, "3 m 12 s"),
            (3599.7, "1 h 00 m"),
            (7_530.0, "2 h 05 m"),
            (100_000.0, "27 h 46 m"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn cpus_that_follow_each_other_are_a_range() {
        for (numbers, text) in [(&[] as &[usize], ""), (&[5], "5"), (&[0, 1, 2, 3, 8], "0-3,8"), (&[1, 3, 4], "1,3-4")]
        {
            assert_eq!(cpus(numbers), text);
        }
    }

    #[test]
    fn bars_fill_from_empty_to_full() {
        assert_eq!(bar(0.0, 10), "[----------]");
        assert_eq!(bar(0.45, 10), "[####------]");
        assert_eq!(bar(1.5, 10), "[##########]");
        assert_eq!(bar(f64::NAN, 10), "[----------]");
    }
}
