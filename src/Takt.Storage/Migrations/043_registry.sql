-- a deleted version's number is never given again
alter table model add column last_version bigint not null default 0;
update model set last_version = coalesce((select max(v.version) from model_version v where v.workspace = model.workspace and v.name = model.name), 0);

-- where the files of a version are, when its source names something that names them
alter table model_version add column storage text;
alter table model_version add column run_link text not null default '';
create index model_version_by_time on model_version(workspace, updated desc, name, version desc);
create index model_by_time on model(workspace, updated, name);
create index model_version_by_package on model_version(package);
