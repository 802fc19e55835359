"""The tables of the referrals service."""

import sqlalchemy as sa

from shared.answers import stored_answer_table
from shared.api_keys import api_key_table
from shared.audit import audit_table
from shared.jobs import job_run_table
from shared.messaging.tables import dead_letter_table, kafka_offset_table, outbox_sent_table, outbox_table

metadata = sa.MetaData(
    naming_convention={"ck": "%(table_name)s_%(constraint_name)s", "fk": "%(table_name)s_%(column_0_name)s_fkey"}
)

stored_answer = stored_answer_table(metadata, lasting="about rewards")

outbox = outbox_table(metadata)
outbox_sent = outbox_sent_table(metadata)
kafka_offset = kafka_offset_table(metadata)
dead_letter = dead_letter_table(metadata)

api_key = api_key_table(metadata)
audit = audit_table(metadata)
job_run = job_run_table(metadata)
