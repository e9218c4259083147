-- Entries of data: with a schedule: which of their times was answered, and which server is at it.
create table data_refresh(
    stage text primary key,
    due bigint not null,        -- the newest time of the schedule that was answered
    attempt bigint not null,    -- failures since
    next bigint not null,       -- after a failure: not before
    owner text not null,        -- empty: nobody is at it
    until bigint not null,      -- when the owner counts as dead
    asked bigint not null,      -- when it was last begun
    succeeded bigint,           -- when it last went well
    run text,                   -- the last pipeline run
    error text                  -- of the last one; null: it went well
);
