using System.Buffers.Binary;
using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Takt.ML.Runtimes;
using Takt.Models;

namespace Takt.ML.Python;

/// <summary>One Python process that holds the model. Asked by one thread at a time; killed by any.</summary>
sealed partial class PythonWorker : IDisposable
{
    public const byte Predict = (byte)'P', WarmUp = (byte)'W', PredictWith = (byte)'Q';
    const byte Load = (byte)'L', Ready = (byte)'R', Answered = (byte)'A', Failed = (byte)'E';

    /// <summary>Code of a failure for want of memory.</summary>
    const byte OutOfMemory = 2;

    /// <summary>Reads the worker's program from the pipe: nothing is written to disk, and the list of processes stays readable.</summary>
    const string Bootstrap = "import os,sys\nn=int(sys.argv[1])\nb=b''\nwhile len(b)<n:\n p=os.read(0,n-len(b))\n if not p: sys.exit(0)\n b+=p\nexec(compile(b,'takt-worker','exec'),{'__name__':'__main__'})";

    static readonly string[] Inherited = ["PATH", "HOME", "LANG", "TMPDIR", "USER", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "SYSTEMROOT", "TEMP"];
    static readonly string[] InheritedPrefixes = ["LC_", "PYTHON", "OMP_", "OPENBLAS_", "MKL_", "CUDA_", "NVIDIA_"];
    static readonly byte[] Program = Source();

    readonly Process _process;
    readonly Stream _to, _from;
    readonly StderrTail _stderr;
    readonly FrameWriter _frame = new();
    readonly byte[] _head = new byte[5];
    byte[] _body = new byte[4096];
    string? _why;
    long _since;

    PythonWorker(Process process, Action<PythonWorker> exited)
    {
        _process = process;
        (_to, _from) = (process.StandardInput.BaseStream, process.StandardOutput.BaseStream);
        _stderr = new StderrTail(process.StandardError.BaseStream);
        Id = process.Id;
        process.Exited += (_, _) =>
        {
            Gone = true;
            exited(this);
        };
        process.EnableRaisingEvents = true;
    }

    /// <summary>Process id.</summary>
    public int Id { get; }

    /// <summary>The process has ended.</summary>
    public bool Gone { get; private set; }

    /// <summary>It is to be replaced when it is idle: it holds too much memory.</summary>
    public bool Worn { get; set; }

    /// <summary>What it said when it was ready, such as <c>Python 3.11.2, mlflow 3.6.1</c>.</summary>
    public string With { get; private set; } = "";

    /// <summary>Since when it has been working on what it was asked, in ticks of <see cref="Environment.TickCount64"/>; 0: it is idle.</summary>
    public long BusySince => Volatile.Read(ref _since);

    /// <summary>It has the model.</summary>
    public bool IsLoaded { get; private set; }

    /// <summary>Starts the process and returns when it has loaded the model.</summary>
    /// <param name="started">Told as soon as there is a process, for whoever watches the time.</param>
    /// <exception cref="TaktException">Unavailable: the interpreter can't be started, or it ended. Invalid, NotSupported: the model can't be loaded.</exception>
    public static PythonWorker Start(PythonStart start, Action<PythonWorker> started, Action<PythonWorker> exited)
    {
        PythonWorker worker;
        try
        {
            worker = new PythonWorker(Process.Start(Info(start))!, exited);
        }
        catch (Exception e) when (e is Win32Exception or FileNotFoundException)
        {
            throw new TaktException(TaktError.Unavailable, $"the Python interpreter '{start.Python}' can't be started: {e.Message}; name one by python: in takt.yaml or takt.config, or by TAKT_PYTHON", e);
        }
        started(worker);
        try
        {
            worker.Begin();
            worker._to.Write(Program);
            worker.Send(worker._frame.Text(Load, start.Load));
            var (kind, body) = worker.Receive();
            worker.End();
            if (kind == Ready && JsonNode.Parse(body.Span) is JsonObject told)
            {
                worker.With = $"Python {told["python"]}, {told["with"]}";
                worker.IsLoaded = true;
                return worker;
            }
            if (kind == Failed && JsonNode.Parse(body.Span) is JsonObject fault) throw worker.NotLoaded(start, fault);
            throw new WorkerEnded("it answered something else than was expected");
        }
        catch (Exception e) when (e is WorkerEnded or JsonException)
        {
            worker.Dispose();
            throw new TaktException(TaktError.Unavailable, $"the Python worker ended while it loaded the model: {e.Message}", e);
        }
        catch
        {
            worker.Dispose();
            throw;
        }
    }

    TaktException NotLoaded(PythonStart start, JsonObject fault)
    {
        var python = $"{start.Python} (Python {fault["python"]}, {fault["executable"]})";
        if (fault["module"] is { } module)
            return new TaktException(TaktError.NotSupported,
                $"the model needs the Python module '{module}', which {python} can't import: install it there, or name another interpreter by python: in takt.yaml or takt.config, or by TAKT_PYTHON");
        return TaktException.Invalid($"{python} can't load the model: {StderrTail.Masked($"{fault["error"]}")}");
    }

    /// <summary>The answer's body. It is valid until the next call.</summary>
    /// <exception cref="WorkerEnded">The process is gone.</exception>
    /// <exception cref="TaktException">Invalid: the model refused the rows. Unavailable: it has no memory left.</exception>
    public ReadOnlyMemory<byte> Ask(byte kind, IReadOnlyList<SignatureField> fields, IReadOnlyList<PythonCall> calls)
    {
        var frame = _frame.Table(kind, fields, calls);
        if (Gone) throw Ended(untouched: true);
        Begin();
        try
        {
            Send(frame);
            var (answer, body) = Receive();
            if (answer == Answered) return body;
            if (answer != Failed || body.Length == 0) throw new WorkerEnded("it answered something else than was expected");
            var text = StderrTail.Masked(Encoding.UTF8.GetString(body.Span[1..]));
            if (body.Span[0] != OutOfMemory) throw TaktException.Invalid($"the model failed: {text}");
            Worn = true;
            throw new TaktException(TaktError.Unavailable, $"the model ran out of memory: {text}");
        }
        finally
        {
            End();
        }
    }

    /// <summary>Bytes that it holds; 0 where this system does not tell.</summary>
    public long Memory()
    {
        try
        {
            var parts = File.ReadAllText($"/proc/{Id}/statm").Split(' ');
            return long.Parse(parts[1]) * Environment.SystemPageSize;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or IndexOutOfRangeException)
        {
            return 0;
        }
    }

    /// <summary>Ends it now, whatever it does, with all that it has started.</summary>
    public void Kill(string why)
    {
        Interlocked.CompareExchange(ref _why, why, null);
        Kill();
    }

    /// <summary>Lets it end by itself, and ends it when it does not.</summary>
    public void Dispose()
    {
        const int Grace = 2000;
        try
        {
            _to.Dispose();
        }
        catch (IOException)
        {
            // it is gone
        }
        if (!_process.WaitForExit(Grace)) Kill();
        _process.WaitForExit(Grace);
        Kill(); // what it started and left behind
        _stderr.Ended.Join(Grace);
        _from.Dispose();
        _process.Dispose();
    }

    void Kill()
    {
        try
        {
            if (!OperatingSystem.IsWindows()) _ = kill(-Id, 9);
            if (!Gone) _process.Kill();
        }
        catch (InvalidOperationException)
        {
            // it is gone
        }
    }

    void Begin() => Volatile.Write(ref _since, Environment.TickCount64);

    void End() => Volatile.Write(ref _since, 0);

    void Send(ReadOnlySpan<byte> frame)
    {
        try
        {
            _to.Write(frame);
            _to.Flush();
        }
        catch (IOException)
        {
            throw Ended(untouched: true);
        }
    }

    (byte Kind, ReadOnlyMemory<byte> Body) Receive()
    {
        Fill(_head);
        var length = BinaryPrimitives.ReadInt32LittleEndian(_head) - 1;
        if (length is < 0 or > FrameWriter.Longest) throw new WorkerEnded("it answered something that is no frame");
        if (_body.Length < length || _body.Length > 16 << 20) _body = new byte[Math.Max(4096, length)];
        Fill(_body.AsSpan(0, length));
        return (_head[4], _body.AsMemory(0, length));
    }

    void Fill(Span<byte> place)
    {
        while (place.Length > 0)
        {
            int read;
            try
            {
                read = _from.Read(place);
            }
            catch (IOException)
            {
                read = 0;
            }
            if (read == 0) throw Ended();
            place = place[read..];
        }
    }

    WorkerEnded Ended(bool untouched = false)
    {
        const int ToTell = 1000;
        var ended = _process.WaitForExit(ToTell);
        _stderr.Ended.Join(ToTell);
        var how = _why ?? (!ended ? "it closed its pipe" : _process.ExitCode > 128 ? $"it was ended by signal {_process.ExitCode - 128}" : $"it ended with exit code {_process.ExitCode}");
        return new WorkerEnded(how + _stderr.Told(), (untouched || Unread() > 0) && _why is null);
    }

    /// <summary>Bytes that were sent and that it has never read: as long as there are any, it has not begun. Where the system can't say: 0.</summary>
    int Unread()
    {
        const int Fionread = 0x541B;
        var handle = _to is System.IO.Pipes.PipeStream pipe ? pipe.SafePipeHandle : (SafeHandle?)(_to as FileStream)?.SafeFileHandle;
        return OperatingSystem.IsLinux() && handle is { IsClosed: false } && ioctl(handle, Fionread, out var bytes) == 0 ? bytes : 0;
    }

    static ProcessStartInfo Info(PythonStart start)
    {
        var info = new ProcessStartInfo(start.Python, ["-u", "-c", Bootstrap, Program.Length.ToString(), "takt-worker", start.Name])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = start.Folder,
        };
        var kept = info.Environment.Where(v => Inherited.Contains(v.Key) || InheritedPrefixes.Any(p => v.Key.StartsWith(p, StringComparison.Ordinal))).ToList();
        info.Environment.Clear();
        // a process a core: threads of its own would only fight the others
        foreach (var name in (string[])["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]) info.Environment[name] = "1";
        info.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        info.Environment["PYTHONIOENCODING"] = "utf-8";
        info.Environment["MLFLOW_DISABLE_TELEMETRY"] = "true";
        foreach (var (name, value) in kept) info.Environment[name] = value;
        return info;
    }

    static byte[] Source()
    {
        using var stream = typeof(PythonWorker).Assembly.GetManifestResourceStream("worker.py")!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    [LibraryImport("libc")]
    private static partial int ioctl(SafeHandle file, nuint request, out int value);

    [LibraryImport("libc")]
    private static partial int kill(int process, int signal);
}
