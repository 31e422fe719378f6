//! Which wheels are installed: the pinned versions and hashes, and how large they are.

/// What is to be installed, in pip's own format.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lock {
    /// A requirements file with hashes.
    pub requirements: &'static str,
    /// Bytes to download, for the progress bar.
    pub download: u64,
    /// Bytes that pip then writes, for the progress bar.
    pub unpacked: u64,
}

const REQUIREMENTS: &str = include_str!("../../requirements.txt");

impl Lock {
    /// The wheels of this machine; `None` where there are none.
    pub(super) fn of_this_machine() -> Option<Self> {
        let (download, unpacked) = match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => (31_921_789, 93_000_000),
            ("linux", "aarch64") => (31_056_666, 111_000_000),
            ("macos", "x86_64") => (29_020_086, 82_000_000),
            ("macos", "aarch64") => (27_506_725, 80_200_000),
            _ => return None,
        };
        Some(Self { requirements: REQUIREMENTS, download, unpacked })
    }

    /// What tells one installation from another: the requirements, and what they were chosen for.
    pub(super) fn stamp(&self) -> String {
        format!("# {} {}\n{}", std::env::consts::OS, std::env::consts::ARCH, self.requirements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wheel_is_pinned_by_version_and_by_the_hash_of_each_platform() {
        let pinned: Vec<_> = REQUIREMENTS.lines().filter(|line| line.contains("==")).collect();
        assert_eq!(pinned.len(), 2);
        let hashes = REQUIREMENTS.lines().filter_map(|line| line.trim().strip_prefix("--hash=sha256:"));
        let hashes: Vec<_> = hashes.map(|hash| hash.trim_end_matches([' ', '\\'])).collect();
        assert_eq!(hashes.len(), 8);
        assert!(
            hashes.iter().all(|hash| hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit())),
            "{hashes:?}"
        );
    }
}
