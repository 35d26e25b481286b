// SPDX-License-Identifier: Apache-2.0
//! The day and time of now, for templates that tell the model the date.

use std::time::{SystemTime, UNIX_EPOCH};

pub fn strftime_now(format: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs() as i64;
    strftime(format, seconds + local_offset(seconds), now.subsec_micros())
}

/// How far this machine's time zone is ahead of UTC, in seconds.
fn local_offset(unix_seconds: i64) -> i64 {
    // SAFETY: localtime_r writes the structure it is given and keeps nothing.
    unsafe {
        let mut parts: libc::tm = std::mem::zeroed();
        let seconds = unix_seconds as libc::time_t;
        if libc::localtime_r(&seconds, &mut parts).is_null() {
            0
        } else {
            parts.tm_gmtoff
        }
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

struct Parts {
    year: i64,
    month: i64,
    day: i64,
    /// From 0, Sunday.
    weekday: i64,
    /// From 0.
    day_of_year: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: u32,
    seconds: i64,
}

fn days_before(year: i64) -> i64 {
    let y = year - 1;
    y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) - 719_162
}

fn parts_of(seconds: i64, micros: u32) -> Parts {
    let days = seconds.div_euclid(86400);
    // Howard Hinnant's civil_from_days, for days since 1970.
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + (month <= 2) as i64;
    let rest = seconds.rem_euclid(86400);
    Parts {
        year,
        month,
        day: doy - (153 * mp + 2) / 5 + 1,
        weekday: (days + 4).rem_euclid(7),
        day_of_year: days - days_before(year),
        hour: rest / 3600,
        minute: rest / 60 % 60,
        second: rest % 60,
        micros,
        seconds,
    }
}

/// A number with at least so many characters, zeros or spaces before it.
enum Field {
    Zeros(i64, usize),
    Spaces(i64, usize),
    Text(String),
}

fn field(kind: char, at: &Parts) -> Option<Field> {
    use Field::{Spaces, Text, Zeros};
    let hour12 = (at.hour + 11) % 12 + 1;
    let half = if at.hour < 12 { "AM" } else { "PM" };
    let again = |format: &str| Text(strftime(format, at.seconds, at.micros));
    Some(match kind {
        'Y' => Zeros(at.year, 1),
        'C' => Zeros(at.year / 100, 2),
        'y' => Zeros(at.year % 100, 2),
        'm' => Zeros(at.month, 2),
        'd' => Zeros(at.day, 2),
        'e' => Spaces(at.day, 2),
        'j' => Zeros(at.day_of_year + 1, 3),
        'H' => Zeros(at.hour, 2),
        'k' => Spaces(at.hour, 2),
        'I' => Zeros(hour12, 2),
        'l' => Spaces(hour12, 2),
        'M' => Zeros(at.minute, 2),
        'S' => Zeros(at.second, 2),
        'f' => Zeros(at.micros.into(), 6),
        's' => Zeros(at.seconds, 1),
        'w' => Zeros(at.weekday, 1),
        'u' => Zeros((at.weekday + 6) % 7 + 1, 1),
        'U' => Zeros((at.day_of_year + 7 - at.weekday) / 7, 2),
        'W' => Zeros((at.day_of_year + 7 - (at.weekday + 6) % 7) / 7, 2),
        'p' => Text(half.into()),
        'P' => Text(half.to_lowercase()),
        'B' => Text(MONTHS[at.month as usize - 1].into()),
        'b' | 'h' => Text(MONTHS[at.month as usize - 1][..3].into()),
        'A' => Text(DAYS[at.weekday as usize].into()),
        'a' => Text(DAYS[at.weekday as usize][..3].into()),
        'F' => again("%Y-%m-%d"),
        'T' | 'X' => again("%H:%M:%S"),
        'R' => again("%H:%M"),
        'D' | 'x' => again("%m/%d/%y"),
        'c' => again("%a %b %e %H:%M:%S %Y"),
        'r' => again("%I:%M:%S %p"),
        'z' | 'Z' => Text(String::new()),
        'n' => Text("\n".into()),
        't' => Text("\t".into()),
        '%' => Text("%".into()),
        _ => return None,
    })
}

/// C's strftime in its own locale, with the flags of glibc: `%-d` has no zeros before it.
fn strftime(format: &str, seconds: i64, micros: u32) -> String {
    let at = parts_of(seconds, micros);
    let mut out = String::new();
    let mut rest = format;
    while let Some(begin) = rest.find('%') {
        out.push_str(&rest[..begin]);
        let spec = &rest[begin + 1..];
        let flags = spec.find(|c| !"-_0^#".contains(c)).unwrap_or(spec.len());
        let kind = spec[flags..].chars().next();
        let Some(made) = kind.and_then(|kind| field(kind, &at)) else {
            out.push('%');
            rest = spec;
            continue;
        };
        let flag = spec[..flags].chars().next_back();
        let text = match (made, flag) {
            (Field::Zeros(n, _) | Field::Spaces(n, _), Some('-')) => n.to_string(),
            (Field::Zeros(n, width), None | Some('0')) | (Field::Spaces(n, width), Some('0')) => format!("{n:0width$}"),
            (Field::Zeros(n, width) | Field::Spaces(n, width), _) => format!("{n:width$}"),
            (Field::Text(text), Some('^')) => text.to_uppercase(),
            (Field::Text(text), _) => text,
        };
        out.push_str(&text);
        rest = &spec[flags + kind.map_or(0, char::len_utf8)..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(strftime("%d %B %Y, %A %H:%M:%S %p", 0, 0), "01 January 1970, Thursday 00:00:00 AM");
        assert_eq!(strftime("%F %a %b %j %U %W %w %u", 951_782_400, 0), "2000-02-29 Tue Feb 060 09 09 2 2");
        assert_eq!(strftime("%Y-%m-%d %I%%", 4_102_444_799, 0), "2099-12-31 11%");
        assert_eq!(strftime("%-d|%e|%_d|%^b|%f|%-I %é", 5 * 86400, 7), "6| 6| 6|JAN|000007|12 %é");
    }
}
