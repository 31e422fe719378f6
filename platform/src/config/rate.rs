//! A rate as a setting: `600/min`.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

/// How often something may be done: `10/s`, `600/min`, `60/h`, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As often as one likes.
    Off,
    /// So many times in each window.
    Limit {
        /// How many times.
        times: NonZeroU32,
        /// In what time.
        window: Window,
    },
}

/// The time in which a rate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// `s`
    Second,
    /// `min`
    Minute,
    /// `h`
    Hour,
}

impl Window {
    /// How long it lasts.
    pub const fn duration(self) -> Duration {
        match self {
            Self::Second => Duration::from_secs(1),
            Self::Minute => Duration::from_mins(1),
            Self::Hour => Duration::from_hours(1),
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let wrong = || format!("{text:?} is no rate: write 10/s, 600/min, 60/h or off");
        let (times, window) = text.split_once('/').ok_or_else(wrong)?;
        let window = match window {
            "s" => Window::Second,
            "min" => Window::Minute,
            "h" => Window::Hour,
            _ => return Err(wrong()),
        };
        Ok(Self::Limit { times: times.parse().map_err(|_| wrong())?, window })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Limit { times, window } = self else {
            return f.write_str("off");
        };
        let unit = match window {
            Window::Second => "s",
            Window::Minute => "min",
            Window::Hour => "h",
        };
        write!(f, "{times}/{unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_back_as_they_are_written() {
        for text in ["10/s", "600/min", "60/h", "off"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for text in ["", "0/min", "600", "600/day", "-1/s", "many/s"] {
            assert!(text.parse::<Rate>().unwrap_err().contains("600/min"), "{text}");
        }
    }
}
