//! Rows by COPY in its binary format: many fit into one record of the write-ahead log, and none is looked for first.
//! For rows that are known to be new, which is so while tables are made anew.

use sqlx::{Encode, PgConnection, Postgres, encode::IsNull, error::BoxDynError, postgres::PgArgumentBuffer};

use crate::projection::ApplyFault;

/// Signature, no flags, no extension (`PostgreSQL`'s documentation of COPY, "Binary Format").
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In place of a row's number of fields: there are no more rows.
const END: [u8; 2] = (-1_i16).to_be_bytes();
/// In place of a value's length: there is no value.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// Bytes of rows that are put together before they are sent: the server works on these while the next are made.
const CHUNK: usize = 64 * 1024;

/// A row on its way into a table.
pub(super) struct Fields<'a> {
    buffer: &'a mut PgArgumentBuffer,
    count: i16,
}

/// Writes rows. `statement` is a `COPY … FROM STDIN BINARY`; `write` puts every field of a row in the order of its columns.
pub(super) async fn write<R: Sync>(
    connection: &mut PgConnection,
    statement: &'static str,
    attempt: &'static str,
    rows: &[R],
    write: impl Fn(&R, &mut Fields<'_>) -> Result<(), BoxDynError> + Send,
) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    let failed = || ApplyFault::database(attempt);
    let mut copy = connection.copy_in_raw(statement).await.map_err(failed())?;
    let mut buffer = PgArgumentBuffer::default();
    buffer.extend_from_slice(HEADER);
    for row in rows {
        if let Err(source) = add(&mut buffer, |fields| write(row, fields)) {
            copy.abort("a row cannot be encoded").await.map_err(failed())?;
            return Err(failed()(sqlx::Error::Encode(source)));
        }
        if buffer.len() >= CHUNK {
            copy.send(&buffer[..]).await.map_err(failed())?;
            buffer.clear();
        }
    }
    buffer.extend_from_slice(&END);
    copy.send(&buffer[..]).await.map_err(failed())?;
    copy.finish().await.map(drop).map_err(failed())
}

fn add(
    buffer: &mut PgArgumentBuffer,
    write: impl FnOnce(&mut Fields<'_>) -> Result<(), BoxDynError>,
) -> Result<(), BoxDynError> {
    let count_at = buffer.len();
    buffer.extend_from_slice(&0_i16.to_be_bytes());
    let mut fields = Fields { buffer, count: 0 };
    write(&mut fields)?;
    let count = fields.count.to_be_bytes();
    buffer[count_at..count_at + count.len()].copy_from_slice(&count);
    Ok(())
}

impl Fields<'_> {
    /// Puts the next field; it must be of its column's very type, for nothing is converted.
    pub fn put<'q>(&mut self, value: impl Encode<'q, Postgres>) -> Result<(), BoxDynError> {
        let length_at = self.buffer.len();
        self.buffer.extend_from_slice(&NULL);
        self.count += 1;
        if matches!(value.encode_by_ref(self.buffer)?, IsNull::No) {
            let length = i32::try_from(self.buffer.len() - length_at - NULL.len())?;
            self.buffer[length_at..length_at + NULL.len()].copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }
}
