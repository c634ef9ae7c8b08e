"""The class names of datasets whose classes never change, in Python's sort order."""

__all__ = ["HMDB51", "MINIUCF", "UCF101"]

_UCF101 = """
ApplyEyeMakeup ApplyLipstick Archery BabyCrawling BalanceBeam BandMarching BaseballPitch Basketball
BasketballDunk BenchPress Biking Billiards BlowDryHair BlowingCandles BodyWeightSquats Bowling
BoxingPunchingBag BoxingSpeedBag BreastStroke BrushingTeeth CleanAndJerk CliffDiving CricketBowling
CricketShot CuttingInKitchen Diving Drumming Fencing FieldHockeyPenalty FloorGymnastics FrisbeeCatch
FrontCrawl GolfSwing Haircut HammerThrow Hammering HandstandPushups HandstandWalking HeadMassage HighJump
HorseRace HorseRiding HulaHoop IceDancing JavelinThrow JugglingBalls JumpRope JumpingJack Kayaking Knitting
LongJump Lunges MilitaryParade Mixing MoppingFloor Nunchucks ParallelBars PizzaTossing PlayingCello
PlayingDaf PlayingDhol PlayingFlute PlayingGuitar PlayingPiano PlayingSitar PlayingTabla PlayingViolin
PoleVault PommelHorse PullUps Punch PushUps Rafting RockClimbingIndoor RopeClimbing Rowing SalsaSpin
ShavingBeard Shotput SkateBoarding Skiing Skijet SkyDiving SoccerJuggling SoccerPenalty StillRings
SumoWrestling Surfing Swing TableTennisShot TaiChi TennisSwing ThrowDiscus TrampolineJumping Typing
UnevenBars VolleyballSpiking WalkingWithDog WallPushups WritingOnBoard YoYo
"""

# The classes of the published experiments, which are not the 50 most frequent ones.
_MINIUCF = """
ApplyEyeMakeup BalanceBeam BandMarching BaseballPitch Basketball BasketballDunk Biking Billiards
BlowingCandles Bowling BreastStroke CleanAndJerk CliffDiving CricketShot Diving FloorGymnastics FrisbeeCatch
GolfSwing HammerThrow HighJump HorseRace HorseRiding HulaHoop IceDancing JumpingJack Knitting MilitaryParade
Mixing ParallelBars PlayingPiano PlayingViolin PoleVault PommelHorse Punch Rafting Rowing SkateBoarding
Skiing Skijet SkyDiving SoccerPenalty StillRings SumoWrestling Surfing Swing TennisSwing TrampolineJumping
UnevenBars VolleyballSpiking WritingOnBoard
"""

_HMDB51 = """
brush_hair cartwheel catch chew clap climb climb_stairs dive draw_sword dribble drink eat fall_floor fencing
flic_flac golf handstand hit hug jump kick kick_ball kiss laugh pick pour pullup punch push pushup ride_bike
ride_horse run shake_hands shoot_ball shoot_bow shoot_gun sit situp smile smoke somersault stand
swing_baseball sword sword_exercise talk throw turn walk wave
"""

UCF101 = tuple(_UCF101.split())
MINIUCF = tuple(_MINIUCF.split())
HMDB51 = tuple(_HMDB51.split())
