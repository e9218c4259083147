-- the three weeks before the newest one
select hour(date) as hour,
       isodow(date) as weekday,                -- 1 Monday … 7 Sunday
       distance,                               -- miles
       origin,
       destination,
       (delay > 15)::integer as late           -- minutes
from flights, (select date_trunc('week', max(date)) as newest from flights)
where date >= newest - interval 21 day and date < newest
order by date, origin, destination, distance, delay
