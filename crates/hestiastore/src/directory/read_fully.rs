//! Reading on where the system gives fewer bytes than were asked for.

use std::io;

/// Fills `buffer` from `offset` on by calls of `read`, up to the end of the file, which is where a
/// call gives nothing. So [`File::read_at`](super::File::read_at) can promise that fewer bytes mean
/// the end.
pub(super) fn read_fully(
    offset: u64,
    buffer: &mut [u8],
    mut read: impl FnMut(u64, &mut [u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match read(offset + done as u64, rest) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
