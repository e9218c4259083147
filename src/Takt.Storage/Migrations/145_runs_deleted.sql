-- runs that were deleted together share their time, by which they are brought back together
create index run_by_deleted on run(deleted) where deleted is not null;
