-- what went wrong is looked for most, and is rare
create index trace_failed on trace(experiment, started desc, id) where state = 'ERROR';
