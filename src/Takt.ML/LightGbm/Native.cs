using System.Runtime.InteropServices;

namespace Takt.ML.LightGbm;

/// <summary>The part of LightGBM's C API (include/LightGBM/c_api.h, 4.x) that is used here.</summary>
static unsafe partial class Native
{
    const string Library = "lib_lightgbm";

    public const int Float32 = 0;
    public const int Float64 = 1;
    public const int RowMajor = 1;
    public const int PredictNormal = 0;
    public const int PredictContributions = 3;

    /// <exception cref="TaktException">Invalid, with LightGBM's own words.</exception>
    public static void Check(int result)
    {
        if (result != 0) throw TaktException.Invalid($"LightGBM: {Marshal.PtrToStringUTF8(LGBM_GetLastError())}");
    }

    [LibraryImport(Library)]
    private static partial nint LGBM_GetLastError();

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int LGBM_DatasetCreateFromMat(double* data, int type, int rows, int columns, int rowMajor, string parameters, nint reference, nint* dataset);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int LGBM_DatasetSetField(nint dataset, string field, float* data, int length, int type);

    [LibraryImport(Library)]
    public static partial int LGBM_DatasetSetFeatureNames(nint dataset, byte** names, int count);

    [LibraryImport(Library)]
    public static partial int LGBM_DatasetFree(nint dataset);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int LGBM_BoosterCreate(nint dataset, string parameters, nint* booster);

    [LibraryImport(Library)]
    public static partial int LGBM_BoosterUpdateOneIter(nint booster, int* finished);

    [LibraryImport(Library)]
    public static partial int LGBM_BoosterSaveModelToString(nint booster, int start, int count, int importance, long room, long* length, byte* text);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int LGBM_BoosterLoadModelFromString(string text, int* iterations, nint* booster);

    [LibraryImport(Library)]
    public static partial int LGBM_BoosterFree(nint booster);

    [LibraryImport(Library)]
    public static partial int LGBM_BoosterGetNumFeature(nint booster, int* count);

    [LibraryImport(Library)]
    public static partial int LGBM_BoosterGetNumClasses(nint booster, int* count);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int LGBM_BoosterPredictForMat(
        nint booster, double* data, int type, int rows, int columns, int rowMajor, int predict, int start, int count, string parameters, long* length, double* result);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int LGBM_BoosterPredictForMatSingleRowFastInit(
        nint booster, int predict, int start, int count, int type, int columns, string parameters, nint* config);

    [LibraryImport(Library)]
    public static partial int LGBM_BoosterPredictForMatSingleRowFast(nint config, double* data, long* length, double* result);

    [LibraryImport(Library)]
    public static partial int LGBM_FastConfigFree(nint config);
}
