-- what each result depended on, part by part (`in:PATH` = SHA-256 …): joins a stage's inputs to the outputs of the stages before it
alter table stage_result add column parts text not null default '{}';

create index stage_run_by_key on stage_run(key);
create index stage_run_by_run on stage_run(run);
create index run_input_by_data on run_input(name, digest);
create index revision_by_model on revision(model);
create index model_version_by_source on model_version(source);
-- the two tags that lineage asks for by value; other tags pay nothing
create index run_tag_by_data on run_tag(value) where key = 'takt.dataset';
create index run_tag_by_code on run_tag(value) where key = 'mlflow.source.git.commit';
