using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;

namespace Takt.ML.LightGbm;

/// <summary>A boosted ensemble in LightGBM's memory. Predicting is safe from many threads; freed when the last of them is done.</summary>
sealed unsafe class Booster : SafeHandle
{
    readonly ConcurrentStack<nint> _fast = []; // not a bag: that has a finalizer of its own, which may have run before this handle's
    CompiledTrees? _compiled;
    int _deepest;

    Booster(nint handle) : base(0, ownsHandle: true) => SetHandle(handle);

    public override bool IsInvalid => handle == 0;

    public int Features
    {
        get
        {
            int count;
            Native.Check(Native.LGBM_BoosterGetNumFeature(handle, &count));
            return count;
        }
    }

    /// <summary>Numbers that it gives a row: one of each class, or one.</summary>
    public int Outputs
    {
        get
        {
            int count;
            Native.Check(Native.LGBM_BoosterGetNumClasses(handle, &count));
            return count;
        }
    }

    /// <param name="matrix">Row after row.</param>
    /// <param name="step">Called before each tree with its number from 0; throws to stop.</param>
    public static Booster Train(double[] matrix, float[] label, IReadOnlyList<string> features, string parameters, int trees, Action<int> step)
    {
        var names = features.Select(f => Marshal.StringToCoTaskMemUTF8(f)).ToArray();
        nint dataset = 0, booster = 0;
        try
        {
            fixed (double* data = matrix)
            fixed (float* target = label)
            fixed (nint* first = names)
            {
                Native.Check(Native.LGBM_DatasetCreateFromMat(data, Native.Float64, label.Length, features.Count, Native.RowMajor, parameters, 0, &dataset));
                Native.Check(Native.LGBM_DatasetSetField(dataset, "label", target, label.Length, Native.Float32));
                Native.Check(Native.LGBM_DatasetSetFeatureNames(dataset, (byte**)first, names.Length));
            }
            Native.Check(Native.LGBM_BoosterCreate(dataset, parameters, &booster));
            for (var tree = 0; tree < trees; tree++)
            {
                step(tree);
                int finished;
                Native.Check(Native.LGBM_BoosterUpdateOneIter(booster, &finished));
                if (finished != 0) break; // no split improves any more
            }
            // the trained one keeps the data; the loaded one only the trees, as after every later load
            using var trained = new Booster(booster);
            booster = 0;
            return Load(trained.Text());
        }
        finally
        {
            if (booster != 0) Native.LGBM_BoosterFree(booster);
            if (dataset != 0) Native.LGBM_DatasetFree(dataset);
            foreach (var name in names) Marshal.FreeCoTaskMem(name);
        }
    }

    /// <exception cref="TaktException">Invalid: not a LightGBM model, or a damaged one.</exception>
    public static Booster Load(string text)
    {
        var model = ModelText.Read(text);
        int iterations;
        nint booster;
        Native.Check(Native.LGBM_BoosterLoadModelFromString(text, &iterations, &booster));
        var loaded = new Booster(booster) { _deepest = model.Trees.Select(t => t.Depth).DefaultIfEmpty().Max() };
        if (CompiledTrees.Of(model) is { } compiled && loaded.Agrees(compiled)) loaded._compiled = compiled;
        return loaded;
    }

    /// <summary>Whether the compiled trees give the native library's very bits on rows made up for it: all sizes, signs, categories, zero and missing.</summary>
    bool Agrees(CompiledTrees compiled)
    {
        const int Rows = 203; // whole lanes and a rest
        var random = new Random(1);
        var columns = Features;
        var matrix = new double[Rows * columns];
        for (var i = 0; i < matrix.Length; i++)
            matrix[i] = random.Next(8) switch
            {
                0 => double.NaN,
                1 => 0,
                2 => random.Next(-3, 40),
                3 => random.Next(0, 1000),
                4 => random.NextDouble() - 0.5,
                _ => (random.NextDouble() - 0.3) * Math.Pow(10, random.Next(-2, 6)),
            };
        double[] expected = new double[Rows], actual = new double[Rows];
        Predict(matrix, Rows, columns, expected);
        compiled.Predict(matrix, Rows, actual);
        return MemoryMarshal.AsBytes(expected.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(actual.AsSpan()));
    }

    /// <summary>Whether rows are answered by <see cref="CompiledTrees"/>; else by the native library.</summary>
    internal bool Compiled => _compiled is not null;

    /// <summary>The model as text, which every LightGBM opens.</summary>
    public string Text()
    {
        long length;
        Native.Check(Native.LGBM_BoosterSaveModelToString(handle, 0, -1, 0, 0, &length, null));
        var bytes = new byte[length];
        fixed (byte* text = bytes)
            Native.Check(Native.LGBM_BoosterSaveModelToString(handle, 0, -1, 0, length, &length, text));
        return Encoding.UTF8.GetString(bytes, 0, (int)length - 1);
    }

    /// <summary><see cref="Outputs"/> numbers per row, for which <paramref name="result"/> has room. A single row takes LightGBM's fast path (3 µs for 100 trees instead of 8).</summary>
    public void Predict(ReadOnlySpan<double> matrix, int rows, int columns, Span<double> result)
    {
        if (_compiled is not null)
        {
            _compiled.Predict(matrix, rows, result);
            return;
        }
        PredictNative(matrix, rows, columns, result);
    }

    /// <summary>As <see cref="Predict"/>, always by LightGBM's own library.</summary>
    public void PredictNative(ReadOnlySpan<double> matrix, int rows, int columns, Span<double> result)
    {
        var held = false;
        try
        {
            DangerousAddRef(ref held);
            fixed (double* data = matrix)
            fixed (double* output = result)
            {
                long length;
                if (rows == 1)
                {
                    var config = Fast(columns);
                    try
                    {
                        Native.Check(Native.LGBM_BoosterPredictForMatSingleRowFast(config, data, &length, output));
                    }
                    finally
                    {
                        _fast.Push(config);
                    }
                    return;
                }
                Native.Check(Native.LGBM_BoosterPredictForMat(
                    handle, data, Native.Float64, rows, columns, Native.RowMajor, Native.PredictNormal, 0, -1, "num_threads=1", &length, output));
            }
        }
        finally
        {
            if (held) DangerousRelease();
        }
    }

    /// <summary>Exact TreeSHAP: per row, and class where there are several, a value for each column and, last, the bias; they add up to the raw score.</summary>
    /// <param name="result">Room for rows × <see cref="Outputs"/> × (columns + 1).</param>
    /// <exception cref="TaktException">NotSupported: too deep a tree.</exception>
    public void Contributions(ReadOnlySpan<double> matrix, int rows, int columns, Span<double> result)
    {
        const int Deepest = 2000; // the library calls itself for each split on the way
        if (_deepest > Deepest) throw new TaktException(TaktError.NotSupported, "a tree of this model is too deep to be explained");
        var held = false;
        try
        {
            DangerousAddRef(ref held);
            long length;
            fixed (double* data = matrix)
            fixed (double* output = result)
                Native.Check(Native.LGBM_BoosterPredictForMat(
                    handle, data, Native.Float64, rows, columns, Native.RowMajor, Native.PredictContributions, 0, -1, "num_threads=1", &length, output));
        }
        finally
        {
            if (held) DangerousRelease();
        }
    }

    nint Fast(int columns)
    {
        if (_fast.TryPop(out var config)) return config;
        Native.Check(Native.LGBM_BoosterPredictForMatSingleRowFastInit(handle, Native.PredictNormal, 0, -1, Native.Float64, columns, "num_threads=1", &config));
        return config;
    }

    protected override bool ReleaseHandle()
    {
        while (_fast.TryPop(out var config)) Native.LGBM_FastConfigFree(config);
        return Native.LGBM_BoosterFree(handle) == 0;
    }
}
