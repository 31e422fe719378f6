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

/// Rows on their way into a table.
pub(super) struct Rows {
    buffer: PgArgumentBuffer,
}

/// One of them.
pub(super) struct Fields<'a> {
    buffer: &'a mut PgArgumentBuffer,
    count: i16,
}

impl Rows {
    /// None yet.
    pub fn new() -> Self {
        let mut buffer = PgArgumentBuffer::default();
        buffer.extend_from_slice(HEADER);
        Self { buffer }
    }

    /// Adds a row; `write` puts every field in its order.
    pub fn add(&mut self, write: impl FnOnce(&mut Fields<'_>) -> Result<(), BoxDynError>) -> Result<(), ApplyFault> {
        let count_at = self.buffer.len();
        self.buffer.extend_from_slice(&0_i16.to_be_bytes());
        let mut row = Fields { buffer: &mut self.buffer, count: 0 };
        write(&mut row).map_err(|source| ApplyFault::database("encode rows")(sqlx::Error::Encode(source)))?;
        let count = row.count.to_be_bytes();
        self.buffer[count_at..count_at + count.len()].copy_from_slice(&count);
        Ok(())
    }

    /// Writes them. `statement` is a `COPY … FROM STDIN BINARY` with as many columns.
    pub async fn write(
        mut self,
        connection: &mut PgConnection,
        statement: &'static str,
        attempt: &'static str,
    ) -> Result<(), ApplyFault> {
        self.buffer.extend_from_slice(&END);
        let copied = async {
            let mut copy = connection.copy_in_raw(statement).await?;
            copy.send(&self.buffer[..]).await?;
            copy.finish().await
        };
        copied.await.map(drop).map_err(ApplyFault::database(attempt))
    }
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
