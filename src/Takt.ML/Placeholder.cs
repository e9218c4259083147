namespace Takt.ML;
