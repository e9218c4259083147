-- most runs have no parent: the index was a page of every commit that makes a run
drop index run_by_parent;
create index run_by_parent on run(parent) where parent is not null;
