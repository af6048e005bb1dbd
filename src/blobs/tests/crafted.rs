//! Zips written byte by byte, since no decent tool writes what is tested here.

/// A zip in the making; entries are stored, not compressed.
#[derive(Debug, Default)]
pub(super) struct Crafted {
    bytes: Vec<u8>,
    table: Vec<u8>,
    entries: u16,
}

pub(super) const FILE: u32 = 0o100_644;
pub(super) const LINK: u32 = 0o120_777;

impl Crafted {
    pub(super) fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(name.as_bytes(), FILE, content)
    }

    pub(super) fn link(self, name: &str, target: &str) -> Self {
        self.entry(name.as_bytes(), LINK, target.as_bytes())
    }

    pub(super) fn entry(mut self, name: &[u8], mode: u32, content: &[u8]) -> Self {
        let offset = u32::try_from(self.bytes.len()).unwrap();
        let len = u32::try_from(content.len()).unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let mut common = Vec::new();
        // Version, flags (none, not even UTF-8), method, time, date.
        for word in [20_u16, 0, 0, 0, 0x21] {
            common.extend(word.to_le_bytes());
        }
        for number in [crc.sum(), len, len] {
            common.extend(number.to_le_bytes());
        }
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend(&common);
        self.bytes.extend(name);
        self.bytes.extend(content);
        self.table.extend(b"PK\x01\x02");
        // Made by Unix.
        self.table.extend(0x0314_u16.to_le_bytes());
        self.table.extend(&common);
        for word in [0_u16, 0, 0] {
            self.table.extend(word.to_le_bytes());
        }
        self.table.extend((mode << 16).to_le_bytes());
        self.table.extend(offset.to_le_bytes());
        self.table.extend(name);
        self.entries += 1;
        self
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let Self {
            mut bytes,
            table,
            entries,
        } = self;
        let start = u32::try_from(bytes.len()).unwrap();
        let len = u32::try_from(table.len()).unwrap();
        bytes.extend(table);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend(entries.to_le_bytes());
        bytes.extend(entries.to_le_bytes());
        bytes.extend(len.to_le_bytes());
        bytes.extend(start.to_le_bytes());
        bytes.extend([0, 0]);
        bytes
    }
}
