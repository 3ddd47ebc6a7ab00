-- A message is looked for by its Message-ID through one index, and by its id through another, whatever the planner knows of the table: while
-- it has no statistics it takes either for both, and reads a whole account for one message. So no index fits both.

--postgresql DROP INDEX email_message_id;
--postgresql CREATE INDEX email_message_id ON email ((account + 0), message_id);
