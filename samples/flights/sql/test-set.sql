-- the newest week: later than everything that train-set.sql takes
select hour(date) as hour,
       isodow(date) as weekday,                -- 1 Monday … 7 Sunday
       distance,                               -- miles
       origin,
       destination,
       (delay > 15)::integer as late           -- minutes
from flights, (select date_trunc('week', max(date)) as newest from flights)
where date >= newest
order by date, origin, destination, distance, delay
