using System.Diagnostics;

namespace Takt.Server.Protocols.Prometheus;

/// <summary>The process under the names of Prometheus' client libraries, the runtime under OpenTelemetry's (semantic conventions for .NET).</summary>
static class ProcessMetrics
{
    public static void Write(MetricsText text)
    {
        using var process = Process.GetCurrentProcess();
        void One(string name, string type, string help, double value)
        {
            text.Family(name, type, help);
            text.Sample(value);
        }
        One("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", process.TotalProcessorTime.TotalSeconds);
        One("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", process.WorkingSet64);
        One("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", process.VirtualMemorySize64);
        One("process_start_time_seconds", "gauge", "Start time of the process since the Unix epoch in seconds.", new DateTimeOffset(process.StartTime.ToUniversalTime()).ToUnixTimeMilliseconds() / 1000.0);
        if (OperatingSystem.IsLinux()) One("process_open_fds", "gauge", "Number of open file descriptors.", Directory.EnumerateFileSystemEntries("/proc/self/fd").Count());
        One("process_threads", "gauge", "Number of threads of the process.", process.Threads.Count);
        text.Family("dotnet_gc_collections_total", "counter", "Garbage collections since the process started, by the oldest generation that they took.");
        for (var generation = 0; generation <= GC.MaxGeneration; generation++)
            text.Sample(GC.CollectionCount(generation) - (generation < GC.MaxGeneration ? GC.CollectionCount(generation + 1) : 0), ("gc_heap_generation", $"gen{generation}"));
        One("dotnet_gc_pause_time_seconds_total", "counter", "Total time that garbage collections have paused the process.", GC.GetTotalPauseDuration().TotalSeconds);
        One("dotnet_gc_heap_total_allocated_bytes_total", "counter", "Bytes allocated on the managed heap since the process started.", GC.GetTotalAllocatedBytes());
        One("dotnet_gc_last_collection_heap_size_bytes", "gauge", "Size of the managed heap after the last collection.", GC.GetGCMemoryInfo().HeapSizeBytes);
        One("dotnet_gc_last_collection_memory_committed_size_bytes", "gauge", "Memory that the garbage collector had committed after the last collection.", GC.GetGCMemoryInfo().TotalCommittedBytes);
        One("dotnet_thread_pool_thread_count", "gauge", "Threads of the thread pool.", ThreadPool.ThreadCount);
        One("dotnet_thread_pool_queue_length", "gauge", "Work items that wait for a thread of the pool.", ThreadPool.PendingWorkItemCount);
        One("dotnet_thread_pool_work_item_count_total", "counter", "Work items that the pool has completed.", ThreadPool.CompletedWorkItemCount);
        One("dotnet_monitor_lock_contentions_total", "counter", "Times that a lock was contended.", Monitor.LockContentionCount);
    }
}
