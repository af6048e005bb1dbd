//! How layers are compressed, told by their first bytes: what a manifest says of it is wrong
//! often enough.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
};

use flate2::read::MultiGzDecoder;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Windows up to 128 MiB, zstd's own default for what it takes; larger ones are a way to use up
/// the memory of who reads them.
const WINDOW_LOG: u32 = 27;

/// What the layer in `file` holds.
pub(super) fn decoder(mut file: File) -> io::Result<Box<dyn Read>> {
    let mut magic = Vec::with_capacity(ZSTD.len());
    Read::by_ref(&mut file)
        .take(ZSTD.len() as u64)
        .read_to_end(&mut magic)?;
    file.rewind()?;
    let file = BufReader::with_capacity(128 * 1024, file);
    if magic.starts_with(&GZIP) {
        return Ok(Box::new(MultiGzDecoder::new(file)));
    }
    if magic.starts_with(&ZSTD) {
        let mut decoder = zstd::Decoder::with_buffer(file)?;
        decoder.window_log_max(WINDOW_LOG)?;
        return Ok(Box::new(decoder));
    }
    Ok(Box::new(file))
}
